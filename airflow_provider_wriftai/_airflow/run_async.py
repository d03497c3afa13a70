"""Run a coroutine in a task so that Airflow can stop it."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class InterruptibleRun(Generic[T]):
    """A coroutine that runs in an event loop and a thread of its own.

    Airflow ends a task by a signal, whose handler raises an exception in the main thread (a timeout, Airflow 2), or
    only calls ``on_kill`` (Airflow 3). An exception that is raised amid the callbacks of an event loop may end there;
    so the main thread does nothing but wait.

    Args:
        begin: Makes the coroutine.
    """

    def __init__(self, begin: Callable[[], Coroutine[Any, Any, T]]) -> None:
        self._begin = begin
        self._cancel: Callable[[], object] | None = None
        self._stopped = False

    def run(self) -> T:
        """Run it.

        Returns:
            What the coroutine returns.

        Raises:
            asyncio.CancelledError: It was stopped.
            BaseException: What the coroutine raised, or what a signal's handler raised in this thread; then the
                coroutine was cancelled, and has ended.
        """
        context = contextvars.copy_context()
        with ThreadPoolExecutor(1, thread_name_prefix="wriftai") as executor:
            try:
                return executor.submit(context.run, asyncio.run, self._cancellable()).result()
            except BaseException:
                self.stop()
                raise

    def stop(self) -> None:
        """Cancel it; from whatever thread, even before it runs, and also from a signal's handler."""
        self._stopped = True
        cancel = self._cancel
        if cancel is not None:
            with contextlib.suppress(RuntimeError):  # its loop is closed: it has ended
                cancel()

    async def _cancellable(self) -> T:
        loop = asyncio.get_running_loop()
        work = loop.create_task(self._begin())
        self._cancel = lambda: loop.call_soon_threadsafe(work.cancel)
        if self._stopped:
            work.cancel()
        return await work
