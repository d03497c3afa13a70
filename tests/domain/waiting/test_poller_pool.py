"""Many waits in one event loop, against a sandbox."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import httpx
import pytest

from airflow_provider_wriftai.client.errors import AuthenticationError, PermissionDeniedError
from airflow_provider_wriftai.client.references import ModelReference, parse_version
from airflow_provider_wriftai.domain.waiting import poller, poller_pool
from airflow_provider_wriftai.domain.waiting.criteria import Criteria, read_pattern
from airflow_provider_wriftai.domain.waiting.errors import NeverThereError, WaitFailedError, WaitTimedOutError
from airflow_provider_wriftai.domain.waiting.poll_interval import PollInterval
from tests.support.sandbox import Sandbox
from tests.support.waiting_service import Run, Service, newer_than_start


def given(reference: str) -> Criteria:
    return Criteria(version=parse_version(reference))


def test_one_poll_for_all_that_wait_on_a_model(sandbox: Sandbox, run: Run) -> None:
    models = [sandbox.new_model(versions=2) for _ in range(3)]

    async def work(service: Service) -> tuple[list[str], int, int]:
        # A long pace: what is asked is asked for the first look.
        waits = [
            asyncio.ensure_future(service.wait(condition, pace=PollInterval(3600)))
            for model in models
            for condition in [given(f"{model}:2"), given(f"{model}:3"), newer_than_start(model)] * 50
        ]
        there = [wait for number, wait in enumerate(waits) if number % 3 == 0]
        await asyncio.gather(*there)
        await service.until_asked(3, "/versions")
        asked, details = len(service.asked), sum(not path.endswith("/versions") for path in service.asked)
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)
        assert service.opened == 1
        return [wait.result() for wait in there], asked, details

    found, asked, details = run(work)
    assert found == [f"{model}:2" for model in models for _ in range(50)]
    assert details == 3  # each once, for all that wait for it
    # A look that was made before a wait began does not tell what was there then: one more for those.
    assert asked - details <= 6


def test_a_version_that_comes_is_found_by_all_that_wait_for_it(sandbox: Sandbox, run: Run) -> None:
    model = sandbox.new_model(versions=1)

    async def work(service: Service) -> list[str]:
        waits = [
            asyncio.ensure_future(service.wait(condition))
            for condition in [given(f"{model}:2"), newer_than_start(model)] * 20
        ]
        await service.until_asked(3)
        service.publish(model)
        return await asyncio.gather(*waits)

    assert run(work) == [f"{model}:2"] * 40


def test_what_was_there_when_a_wait_began_is_not_newer(sandbox: Sandbox, run: Run) -> None:
    """Even where an earlier look of others is there to be taken over."""
    model = sandbox.new_model(versions=1)

    async def work(service: Service) -> str:
        other = asyncio.ensure_future(service.wait(given(f"{model}:99"), pace=PollInterval(3600)))
        await service.until_asked(1)
        service.publish(model)
        late = asyncio.ensure_future(service.wait(newer_than_start(model), pace=PollInterval(0.05)))
        await service.until_asked(3)
        assert not late.done()
        service.publish(model)
        found = await late
        other.cancel()
        await asyncio.gather(other, return_exceptions=True)
        return found

    assert run(work) == f"{model}:3"


def test_one_that_comes_while_a_look_is_under_way_has_a_look_of_its_own(sandbox: Sandbox, run: Run) -> None:
    model = sandbox.new_model(versions=1)

    async def work(service: Service) -> str:
        other = asyncio.ensure_future(service.wait(given(f"{model}:99"), pace=PollInterval(0.01)))
        await service.until_asked(2)
        service.publish(model)
        service.gate.clear()
        # Its answer, which has what was published just now, is held back.
        await service.until_asked(len(service.asked) + 1)
        late = asyncio.ensure_future(service.wait(newer_than_start(model)))
        await asyncio.sleep(0)
        service.gate.set()
        await service.until_asked(len(service.asked) + 5)
        assert not late.done()
        service.publish(model)
        found = await late
        other.cancel()
        await asyncio.gather(other, return_exceptions=True)
        return found

    assert run(work) == f"{model}:3"


def test_one_that_comes_while_others_are_judged_is_judged_by_itself(sandbox: Sandbox, run: Run) -> None:
    model = sandbox.new_model(versions=3)

    async def work(service: Service) -> str:
        by_image = Criteria(model=ModelReference.parse(model), digest=f"sha256:{9:064x}")
        service.gate.clear()
        other = asyncio.ensure_future(service.wait(by_image))
        await service.until_asked(1)
        service.gate.set()
        await service.until_asked(2)  # the first details
        late = asyncio.ensure_future(service.wait(newer_than_start(model)))
        await service.until_asked(len(service.asked) + 8)
        assert not late.done()
        service.publish(model)
        found = await late
        other.cancel()
        await asyncio.gather(other, return_exceptions=True)
        return found

    assert run(work) == f"{model}:4"


def test_one_that_leaves_does_not_end_the_others(sandbox: Sandbox, run: Run) -> None:
    model = sandbox.new_model(versions=1)

    async def work(service: Service) -> str:
        first, second = (asyncio.ensure_future(service.wait(given(f"{model}:2"))) for _ in range(2))
        await service.until_asked(2)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        service.publish(model)
        return await second

    assert run(work) == f"{model}:2"


def test_one_that_comes_as_the_last_one_leaves_is_served(sandbox: Sandbox, run: Run) -> None:
    model = sandbox.new_model(versions=1)

    async def work(service: Service) -> str:
        first = asyncio.ensure_future(service.wait(given(f"{model}:2")))
        await service.until_asked(1)
        first.cancel()
        second = asyncio.ensure_future(service.wait(given(f"{model}:1")))
        await asyncio.gather(first, return_exceptions=True)
        return await second

    assert run(work) == f"{model}:1"


def test_a_wait_that_is_over(sandbox: Sandbox, run: Run) -> None:
    model = sandbox.new_model(versions=1)

    async def work(service: Service) -> None:
        with pytest.raises(
            WaitTimedOutError, match=rf"{model}:2 was not there in time, .* newest version is {model}:1"
        ):
            await service.wait(given(f"{model}:2"), seconds=0.05)
        with pytest.raises(WaitTimedOutError, match="after 0 s and 1 look"):
            await service.wait(given(f"{model}:2"), seconds=-60.0)
        # One look is made, however late it is.
        assert await service.wait(given(f"{model}:1"), seconds=-60.0) == f"{model}:1"

    run(work)


def test_many_that_are_over_at_the_same_time_do_not_look_once_more_each(sandbox: Sandbox, run: Run) -> None:
    model = sandbox.new_model(versions=1)

    async def work(service: Service) -> int:
        waits = [
            asyncio.ensure_future(
                service.wait(given(f"{model}:2"), seconds=0.2 + number / 1000, pace=PollInterval(3600))
            )
            for number in range(50)
        ]
        done = await asyncio.gather(*waits, return_exceptions=True)
        assert all(isinstance(each, WaitTimedOutError) for each in done), done
        return len(service.asked)

    assert run(work) <= 3


def test_what_may_pass_is_counted_and_forgotten_after_a_look_that_worked(sandbox: Sandbox, run: Run) -> None:
    model = sandbox.new_model(versions=1)

    async def work(service: Service) -> None:
        failures = iter(
            [httpx.ConnectError("down"), httpx.Response(503), None, httpx.Response(502), httpx.Response(429)]
        )
        service.fails = lambda: next(failures, None)
        waiting = asyncio.ensure_future(service.wait(given(f"{model}:2"), most_failures=2))
        await service.until_asked(7)
        service.publish(model)
        assert await waiting == f"{model}:2"

        service.fails = lambda: httpx.Response(503)
        with pytest.raises(WaitFailedError, match=r"3 looks in a row for .* failed, .* The last: .*503"):
            await service.wait(given(f"{model}:3"), most_failures=2)

        tolerant = asyncio.ensure_future(service.wait(given(f"{model}:3"), most_failures=None))
        before = len(service.asked)
        await service.until_asked(before + 10)
        service.fails = lambda: None
        service.publish(model)
        assert await tolerant == f"{model}:3"

    run(work)


def test_a_wait_that_is_over_says_that_looks_failed(sandbox: Sandbox, run: Run) -> None:
    model = sandbox.new_model(versions=1)

    async def work(service: Service) -> None:
        service.fails = lambda: httpx.ConnectError("down")
        with pytest.raises(WaitTimedOutError, match=r"The last look failed: .*down"):
            await service.wait(given(f"{model}:2"), seconds=0.05)

    run(work)


def test_what_no_look_can_mend_ends_it_at_once(sandbox: Sandbox, run: Run) -> None:
    model = sandbox.new_model(versions=3)
    sandbox.delete(model, 2)

    async def work(service: Service) -> None:
        with pytest.raises(NeverThereError):
            await service.wait(given(f"{model}:2"))
        service.fails = lambda: httpx.Response(403, json={"detail": "no"})
        with pytest.raises(PermissionDeniedError):
            await service.wait(given(f"{model}:4"))

    run(work)


def test_a_token_that_was_changed_meanwhile_is_taken_up(sandbox: Sandbox, run: Run) -> None:
    model = sandbox.new_model(versions=1)

    async def work(service: Service) -> tuple[list[str], int]:
        right = service.token
        service.token = "was-revoked-3f9"
        first = asyncio.ensure_future(service.wait(given(f"{model}:2")))
        with pytest.raises(AuthenticationError):
            await first
        opened = service.opened
        waits = [asyncio.ensure_future(service.wait(given(f"{model}:2"))) for _ in range(10)]
        # Between the reading of the connection and the answer, somebody changes it.
        service.fails = lambda: setattr(service, "token", right)  # type: ignore[func-returns-value]
        await service.until_asked(6)
        service.publish(model)
        return await asyncio.gather(*waits), service.opened - opened

    found, opened = run(work)
    assert found == [f"{model}:2"] * 10
    assert opened == 2


def test_everything_is_closed_at_the_end(sandbox: Sandbox, run: Run) -> None:
    model = sandbox.new_model(versions=1)

    async def work(service: Service) -> None:
        await service.wait(given(f"{model}:1"))
        assert not any(poller_pool._hubs.values())

    run(work)


def test_a_connection_that_cannot_be_read_leaves_nothing_behind(sandbox: Sandbox, run: Run) -> None:
    async def work(service: Service) -> None:
        async def fail() -> Any:
            raise LookupError("no such connection")

        service.open = fail  # type: ignore[method-assign]
        done = await asyncio.gather(*(service.wait(given("a/b:1")) for _ in range(3)), return_exceptions=True)
        assert [type(each) for each in done] == [LookupError] * 3
        assert not any(poller_pool._hubs.values())

    run(work)


def test_a_look_that_breaks_fails_the_waits_and_is_told(
    sandbox: Sandbox, run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    async def work(service: Service) -> None:
        service.fails = lambda: ZeroDivisionError("a mistake of ours")
        with pytest.raises(WaitFailedError, match="broke"):
            await service.wait(given("a/b:1"))

    run(work)
    assert "a mistake of ours" in caplog.text


def test_a_long_wait_tells_how_it_stands_in_its_own_log(
    sandbox: Sandbox, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(poller, "TELL_EVERY", 0.0)
    model = sandbox.new_model(versions=1)
    told: list[str] = []

    async def work(service: Service) -> None:
        waiting = asyncio.ensure_future(service.wait(given(f"{model}:2"), tell=told.append))
        await service.until_asked(4)
        service.publish(model)
        await waiting

    run(work)
    assert told[0].startswith(f"{model}:2 is not there yet, after 0 s and 1 look. The newest version is {model}:1.")


def test_exponential_backoff_is_each_waits_own(sandbox: Sandbox, run: Run) -> None:
    model = sandbox.new_model(versions=1)

    async def work(service: Service) -> None:
        patient = asyncio.ensure_future(
            service.wait(given(f"{model}:2"), pace=PollInterval(0.01, exponential=True, longest=3600.0))
        )
        hasty = asyncio.ensure_future(service.wait(given(f"{model}:2"), pace=PollInterval(0.01)))
        await service.until_asked(10)
        hasty.cancel()
        await asyncio.gather(hasty, return_exceptions=True)
        service.publish(model)
        assert await patient == f"{model}:2"

    run(work)


def test_the_triggerers_loop_is_never_blocked(sandbox: Sandbox, run: Run, caplog: pytest.LogCaptureFixture) -> None:
    model = sandbox.new_model(versions=50)

    async def work(service: Service) -> None:
        asyncio.get_running_loop().slow_callback_duration = 0.5
        condition = Criteria(model=ModelReference.parse(model), release_notes=read_pattern("wanted"))
        waits = [asyncio.ensure_future(service.wait(condition)) for _ in range(300)]
        await service.until_asked(3)
        service.publish(model, "wanted")
        await asyncio.gather(*waits)

    with caplog.at_level(logging.WARNING, "asyncio"):
        run(work)
    # What the test itself does in its task (publish, make waits) does not count.
    assert not [message for message in caplog.messages if "Executing" in message and "in_loop" not in message]
