"""Many waits in one event loop, against a sandbox."""

from __future__ import annotations

import asyncio
import math
from datetime import timedelta
from typing import Any

import httpx
import pytest

from airflow_provider_wriftai.client.errors import AuthenticationError, ConfigurationError, PermissionDeniedError
from airflow_provider_wriftai.client.references import ModelReference, parse_version
from airflow_provider_wriftai.domain.patterns import PatternTimeoutError
from airflow_provider_wriftai.domain.waiting import connection_source, poller, poller_pool, version_cache
from airflow_provider_wriftai.domain.waiting import wait as waits_of_tasks
from airflow_provider_wriftai.domain.waiting.criteria import Criteria, read_pattern
from airflow_provider_wriftai.domain.waiting.errors import NeverThereError, WaitFailedError, WaitTimedOutError
from airflow_provider_wriftai.domain.waiting.poll_interval import PollInterval
from airflow_provider_wriftai.domain.waiting.poller import WaitMetrics
from tests.support.sandbox import Sandbox
from tests.support.waiting_service import Run, Service, newer_than_start


def given(reference: str) -> Criteria:
    return Criteria(version=parse_version(reference))


def test_one_poll_for_all_that_wait_on_a_model(sandbox: Sandbox, run: Run) -> None:
    models = [sandbox.new_model(versions=2) for _ in range(3)]

    async def work(service: Service) -> tuple[list[str], int, int]:
        # A long pace: what is asked is asked for the first look.
        waits = [
            asyncio.ensure_future(service.wait(condition, interval=PollInterval(3600)))
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
        other = asyncio.ensure_future(service.wait(given(f"{model}:99"), interval=PollInterval(3600)))
        await service.until_asked(1)
        service.publish(model)
        late = asyncio.ensure_future(service.wait(newer_than_start(model), interval=PollInterval(0.05)))
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
        other = asyncio.ensure_future(service.wait(given(f"{model}:99"), interval=PollInterval(0.01)))
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
            WaitTimedOutError, match=rf"{model}:2 did not appear in time, .* newest version is {model}:1"
        ):
            await service.wait(given(f"{model}:2"), seconds=0.05)
        with pytest.raises(WaitTimedOutError, match="after 0 s and 1 poll"):
            await service.wait(given(f"{model}:2"), seconds=-60.0)
        # One look is made, however late it is.
        assert await service.wait(given(f"{model}:1"), seconds=-60.0) == f"{model}:1"

    run(work)


def test_many_that_are_over_at_the_same_time_do_not_look_once_more_each(sandbox: Sandbox, run: Run) -> None:
    model = sandbox.new_model(versions=1)

    async def work(service: Service) -> int:
        waits = [
            asyncio.ensure_future(
                service.wait(given(f"{model}:2"), seconds=0.2 + number / 1000, interval=PollInterval(3600))
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
        waiting = asyncio.ensure_future(service.wait(given(f"{model}:2"), max_failures=2))
        await service.until_asked(7)
        service.publish(model)
        assert await waiting == f"{model}:2"

        service.fails = lambda: httpx.Response(503)
        with pytest.raises(WaitFailedError, match=r"3 polls in a row for .* failed\. The last error: .*503"):
            await service.wait(given(f"{model}:3"), max_failures=2)

        tolerant = asyncio.ensure_future(service.wait(given(f"{model}:3"), max_failures=None))
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
        with pytest.raises(WaitTimedOutError, match=r"The last poll failed: .*down"):
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
        service.fails = lambda: setattr(service, "token", right)
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
        assert not any(shared.sources or shared.pools for shared in poller_pool._shared.values())

    run(work)


def test_a_connection_that_cannot_be_read_leaves_nothing_behind(sandbox: Sandbox, run: Run) -> None:
    async def work(service: Service) -> None:
        async def fail() -> Any:
            raise LookupError("no such connection")

        service.open = fail  # type: ignore[method-assign]
        waits = [service.wait(given("a/b:1"), max_failures=2) for _ in range(3)]
        done = await asyncio.gather(*waits, return_exceptions=True)
        assert [type(each) for each in done] == [WaitFailedError] * 3
        assert "3 polls in a row for a/b:1" in str(done[0])
        assert "no such connection" in str(done[0])
        assert not any(shared.sources or shared.pools for shared in poller_pool._shared.values())

    run(work)


def test_a_look_that_breaks_fails_the_waits_and_is_told(
    sandbox: Sandbox, run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    async def work(service: Service) -> None:
        service.fails = lambda: ZeroDivisionError("a mistake of ours")
        with pytest.raises(WaitFailedError, match="unexpectedly"):
            await service.wait(given("a/b:1"))

    run(work)
    assert "a mistake of ours" in caplog.text


def test_a_long_wait_tells_how_it_stands_in_its_own_log(
    sandbox: Sandbox, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waits_of_tasks, "PROGRESS_INTERVAL", 0.0)
    model = sandbox.new_model(versions=1)
    told: list[str] = []

    async def work(service: Service) -> None:
        waiting = asyncio.ensure_future(service.wait(given(f"{model}:2"), log_progress=told.append))
        await service.until_asked(4)
        service.publish(model)
        await waiting

    run(work)
    assert told[0].startswith(f"{model}:2 does not exist yet, after 0 s and 1 poll. The newest version is {model}:1.")


def test_a_new_wait_uses_the_settings_of_its_own_beginning(sandbox: Sandbox, run: Run) -> None:
    """Also while others wait with the old settings: their poll is not shared any more, and they go on with the new."""
    model = sandbox.new_model(versions=1)

    async def work(service: Service) -> None:
        by_notes = Criteria(model=ModelReference.parse(model), release_notes=read_pattern("wanted"))
        old = asyncio.ensure_future(service.wait(by_notes, interval=PollInterval(0.05)))
        await service.until_asked(2)
        service.token, right = "a-token-without-rights", service.token
        with pytest.raises(AuthenticationError):
            await service.wait(given(f"{model}:1"))
        with pytest.raises(AuthenticationError):
            await old  # the settings that were read last apply to all
        service.token = right
        assert await service.wait(given(f"{model}:1")) == f"{model}:1"

    run(work)


def test_an_open_wait_follows_a_changed_connection(sandbox: Sandbox, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_source, "MAX_AGE", 0.02)
    model = sandbox.new_model(versions=1)

    async def work(service: Service) -> tuple[str, list[float]]:
        wait = asyncio.ensure_future(service.wait(newer_than_start(model)))
        await service.until_asked(3)
        service.timeout = 17.0
        asked = len(service.asked)
        await service.until_asked(asked + 5)
        service.publish(model)
        found = await wait
        return found, service.timeouts

    found, timeouts = run(work)
    # What existed when the wait began is still what counts.
    assert found == f"{model}:2"
    assert (timeouts[0], timeouts[-1]) == (30.0, 17.0)


def test_an_open_wait_whose_connection_was_deleted_fails(
    sandbox: Sandbox, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_source, "MAX_AGE", 0.02)
    model = sandbox.new_model(versions=1)

    async def work(service: Service) -> None:
        wait = asyncio.ensure_future(service.wait(given(f"{model}:2"), max_failures=3))
        await service.until_asked(2)
        service.refuses_to_open = ConfigurationError("Connection 'wriftai_default' does not exist.")
        with pytest.raises(ConfigurationError, match="does not exist"):
            await wait

    run(work)


def test_a_connection_that_cannot_be_read_for_a_moment_ends_no_wait(
    sandbox: Sandbox, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_source, "MAX_AGE", 0.02)
    model = sandbox.new_model(versions=1)

    async def work(service: Service) -> list[str]:
        service.refuses_to_open = ConfigurationError("Connection 'wriftai_default' does not exist.")
        waits = [asyncio.ensure_future(service.wait(given(f"{model}:2"), max_failures=10**6)) for _ in range(20)]
        await service.until_opened(3)
        service.refuses_to_open = None
        await service.until_asked(3)
        service.refuses_to_open = LookupError("The secrets backend is down.")
        await service.until_opened(service.opened + 2)
        service.refuses_to_open = None
        service.publish(model)
        return await asyncio.gather(*waits)

    assert run(work) == [f"{model}:2"] * 20


def test_what_is_published_after_a_first_poll_that_failed_is_newer(
    sandbox: Sandbox, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(version_cache, "_CLOCK_PRECISION", timedelta(0))
    model = sandbox.new_model(versions=3)

    async def work(service: Service) -> str:
        service.fails = lambda: httpx.Response(503)
        wait = asyncio.ensure_future(service.wait(newer_than_start(model), max_failures=10**6))
        await service.until_asked(1)
        service.publish(model)
        service.fails = lambda: None
        return await wait

    assert run(work) == f"{model}:4"


def test_a_connection_that_is_missing_from_the_beginning_ends_a_wait_that_begins_here(
    sandbox: Sandbox, run: Run
) -> None:
    async def work(service: Service) -> None:
        service.refuses_to_open = ConfigurationError("Connection 'wriftai_default' does not exist.")
        with pytest.raises(ConfigurationError, match="does not exist"):
            await service.wait(given("acme/det:1"), max_failures=10**6, connection_was_read=False)
        assert service.opened == 1

    run(work)


def test_an_endless_wait_reads_a_connection_that_is_missing_less_and_less_often(
    sandbox: Sandbox, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    sleep = asyncio.sleep

    async def note(seconds: float, *arguments: Any) -> Any:
        if seconds >= 1:
            pauses.append(seconds)
        return await sleep(0, *arguments)

    async def work(service: Service) -> None:
        monkeypatch.setattr(asyncio, "sleep", note)
        service.refuses_to_open = ConfigurationError("Connection 'wriftai_default' does not exist.")
        wait = asyncio.ensure_future(service.wait(given("acme/det:1"), seconds=math.inf))
        await service.until_opened(15)
        wait.cancel()
        await asyncio.gather(wait, return_exceptions=True)

    run(work)
    assert pauses[:4] == [1, 2, 4, 8]
    assert max(pauses) == waits_of_tasks.LONGEST_PAUSE


def test_connections_with_equal_settings_share_their_polls(sandbox: Sandbox, run: Run) -> None:
    model = sandbox.new_model(versions=1)

    async def work(service: Service) -> int:
        waits = [
            asyncio.ensure_future(
                service.wait(given(f"{model}:2"), connection=f"conn-{number}", interval=PollInterval(3600))
            )
            for number in range(10)
        ]
        await service.until_opened(10)
        await service.until_asked(1)
        asked = len(service.asked)
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)
        return asked

    assert run(work) == 1


def test_the_figures_of_waits(sandbox: Sandbox, run: Run) -> None:
    model = sandbox.new_model(versions=1)
    outcomes: list[str] = []
    open_waits: list[int] = []

    async def work(service: Service) -> None:
        failures = iter([httpx.Response(503)])
        service.fails = lambda: next(failures, None)
        metrics = WaitMetrics(count=outcomes.append, gauge=open_waits.append)
        await asyncio.gather(*(service.wait(given(f"{model}:1"), metrics=metrics) for _ in range(3)))

    run(work)
    assert outcomes == ["failed", "ok"]
    assert (max(open_waits), open_waits[-1]) == (3, 0)


def test_exponential_backoff_is_each_waits_own(sandbox: Sandbox, run: Run) -> None:
    model = sandbox.new_model(versions=1)

    async def work(service: Service) -> None:
        patient = asyncio.ensure_future(
            service.wait(given(f"{model}:2"), interval=PollInterval(0.01, exponential=True, maximum=3600.0))
        )
        hasty = asyncio.ensure_future(service.wait(given(f"{model}:2"), interval=PollInterval(0.01)))
        await service.until_asked(10)
        hasty.cancel()
        await asyncio.gather(hasty, return_exceptions=True)
        service.publish(model)
        assert await patient == f"{model}:2"

    run(work)


def test_many_evaluations_yield_to_the_event_loop(sandbox: Sandbox, run: Run) -> None:
    """Other triggers get their turn between the evaluations of a poll; ``benchmarks/wait.py`` measures how soon."""
    model = sandbox.new_model(versions=50)
    turns = 0

    async def work(service: Service) -> None:
        criteria = Criteria(model=ModelReference.parse(model), release_notes=read_pattern("wanted"))
        waits = [asyncio.ensure_future(service.wait(criteria)) for _ in range(300)]
        await service.until_asked(2)

        async def take_turns() -> None:
            nonlocal turns
            while not all(wait.done() for wait in waits):
                turns += 1
                await asyncio.sleep(0)

        others = asyncio.ensure_future(take_turns())
        service.publish(model, "wanted")
        await asyncio.gather(*waits)
        await others

    run(work)
    assert turns >= 300 // poller._EVALUATED_AT_ONCE


def test_a_pattern_that_takes_too_long_ends_its_own_wait_only(sandbox: Sandbox, run: Run) -> None:
    model = sandbox.new_model(versions=1)

    async def work(service: Service) -> str:
        service.publish(model, "a" * 60 + "b")
        hostile = Criteria(model=ModelReference.parse(model), release_notes=read_pattern("(a|aa)+$"))
        waits = [asyncio.ensure_future(service.wait(each)) for each in (hostile, given(f"{model}:3"))]
        with pytest.raises(PatternTimeoutError, match=r"\(a\|aa\)\+\$"):
            await waits[0]
        service.publish(model)
        return await waits[1]

    assert run(work) == f"{model}:3"
