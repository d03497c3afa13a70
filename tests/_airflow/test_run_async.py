from __future__ import annotations

import asyncio
import contextvars
import threading

import pytest

from airflow_provider_wriftai._airflow.run_async import InterruptibleRun

IN_CONTEXT: contextvars.ContextVar[str] = contextvars.ContextVar("IN_CONTEXT")


def test_the_coroutine_runs_in_the_callers_context() -> None:
    IN_CONTEXT.set("of the caller")

    async def work() -> tuple[str, bool]:
        return IN_CONTEXT.get(), threading.current_thread() is threading.main_thread()

    assert InterruptibleRun(work).run() == ("of the caller", False)


def test_an_exception_of_the_coroutine_is_raised() -> None:
    async def fail() -> None:
        raise LookupError("of the work")

    with pytest.raises(LookupError, match="of the work"):
        InterruptibleRun(fail).run()


def test_a_stop_cancels_the_coroutine_and_lets_it_clean_up() -> None:
    begun, cleaned_up = threading.Event(), []

    async def work() -> None:
        try:
            begun.set()
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleaned_up.append(True)

    interruptible = InterruptibleRun(work)

    def stop() -> None:
        begun.wait(60)
        interruptible.stop()

    stopper = threading.Thread(target=stop)
    stopper.start()
    with pytest.raises(asyncio.CancelledError):
        interruptible.run()
    stopper.join()
    assert cleaned_up == [True]


def test_a_stop_before_the_run_prevents_it_and_after_the_run_does_nothing() -> None:
    done = []

    async def work() -> None:
        await asyncio.sleep(0)
        done.append(True)

    stopped = InterruptibleRun(work)
    stopped.stop()
    with pytest.raises(asyncio.CancelledError):
        stopped.run()
    assert done == []

    ended = InterruptibleRun(work)
    ended.run()
    ended.stop()
    assert done == [True]
