"""Many waits in one event loop, against a sandbox."""

from __future__ import annotations

import asyncio
import math
from typing import Any

import httpx
import pytest

from airflow_provider_wriftai.client.errors import AuthenticationError, ConfigurationError, PermissionDeniedError
from airflow_provider_wriftai.client.references import ModelReference, parse_version
from airflow_provider_wriftai.domain.patterns import PatternTimeoutError
from airflow_provider_wriftai.domain.waiting import connection_source, poller, poller_pool
from airflow_provider_wriftai.domain.waiting import wait as wait_module
from airflow_provider_wriftai.domain.waiting.criteria import Criteria, read_pattern
from airflow_provider_wriftai.domain.waiting.errors import VersionGoneError, WaitFailedError, WaitTimedOutError
from airflow_provider_wriftai.domain.waiting.poll_interval import PollInterval
from airflow_provider_wriftai.domain.waiting.poller import WaitMetrics
from tests.support.sandbox import Sandbox
from tests.support.waiting_service import Run, Service, newer_than_start


def _exactly(reference: str) -> Criteria:
    return Criteria(version=parse_version(reference))


async def _cancel(*waits: asyncio.Future[str]) -> None:
    for wait in waits:
        wait.cancel()
    await asyncio.gather(*waits, return_exceptions=True)


def test_all_waits_on_a_model_share_one_poll(sandbox: Sandbox, run: Run) -> None:
    models = [sandbox.new_model(versions=2) for _ in range(3)]

    async def work(service: Service) -> tuple[list[str], int, int]:
        # The interval is long: all requests belong to the first poll.
        waits = [
            asyncio.ensure_future(service.wait(criteria, interval=PollInterval(3600)))
            for model in models
            for criteria in [_exactly(f"{model}:2"), _exactly(f"{model}:3"), newer_than_start(model)] * 50
        ]
        ready = [wait for number, wait in enumerate(waits) if number % 3 == 0]
        await asyncio.gather(*ready)
        await service.until_requested(3, "/versions")
        requests, details = len(service.requests), sum(not path.endswith("/versions") for path in service.requests)
        await _cancel(*waits)
        assert service.opened == 1
        return [wait.result() for wait in ready], requests, details

    found, requests, details = run(work)
    assert found == [f"{model}:2" for model in models for _ in range(50)]
    assert details == 3  # each once, for all waits
    # A poll before a wait began does not show what existed when it began, so some waits need one more poll.
    assert requests - details <= 6


def test_a_new_version_ends_all_waits_for_it(sandbox: Sandbox, run: Run) -> None:
    model = sandbox.new_model(versions=1)

    async def work(service: Service) -> list[str]:
        waits = [
            asyncio.ensure_future(service.wait(criteria))
            for criteria in [_exactly(f"{model}:2"), newer_than_start(model)] * 20
        ]
        await service.until_requested(3)
        service.publish(model)
        return await asyncio.gather(*waits)

    assert run(work) == [f"{model}:2"] * 40


def test_a_version_that_existed_when_a_wait_began_is_not_newer(sandbox: Sandbox, run: Run) -> None:
    """This holds even if the result of an earlier poll by others is available."""
    model = sandbox.new_model(versions=1)

    async def work(service: Service) -> str:
        other = asyncio.ensure_future(service.wait(_exactly(f"{model}:99"), interval=PollInterval(3600)))
        await service.until_requested(1)
        service.publish(model)
        late = asyncio.ensure_future(service.wait(newer_than_start(model), interval=PollInterval(0.05)))
        await service.until_requested(3)
        assert not late.done()
        service.publish(model)
        found = await late
        await _cancel(other)
        return found

    assert run(work) == f"{model}:3"


def test_a_wait_that_begins_during_a_poll_gets_a_poll_of_its_own(sandbox: Sandbox, run: Run) -> None:
    model = sandbox.new_model(versions=1)

    async def work(service: Service) -> str:
        other = asyncio.ensure_future(service.wait(_exactly(f"{model}:99"), interval=PollInterval(0.01)))
        await service.until_requested(2)
        service.publish(model)
        service.gate.clear()
        # The response, which contains the version just published, is held back.
        await service.until_requested(len(service.requests) + 1)
        late = asyncio.ensure_future(service.wait(newer_than_start(model)))
        await asyncio.sleep(0)
        service.gate.set()
        await service.until_requested(len(service.requests) + 5)
        assert not late.done()
        service.publish(model)
        found = await late
        await _cancel(other)
        return found

    assert run(work) == f"{model}:3"


def test_a_wait_that_begins_while_others_are_evaluated_is_evaluated_by_itself(sandbox: Sandbox, run: Run) -> None:
    model = sandbox.new_model(versions=3)

    async def work(service: Service) -> str:
        by_image = Criteria(model=ModelReference.parse(model), digest=f"sha256:{9:064x}")
        service.gate.clear()
        other = asyncio.ensure_future(service.wait(by_image))
        await service.until_requested(1)
        service.gate.set()
        await service.until_requested(2)  # the first details
        late = asyncio.ensure_future(service.wait(newer_than_start(model)))
        await service.until_requested(len(service.requests) + 8)
        assert not late.done()
        service.publish(model)
        found = await late
        await _cancel(other)
        return found

    assert run(work) == f"{model}:4"


def test_a_canceled_wait_does_not_end_the_others(sandbox: Sandbox, run: Run) -> None:
    model = sandbox.new_model(versions=1)

    async def work(service: Service) -> str:
        first, second = (asyncio.ensure_future(service.wait(_exactly(f"{model}:2"))) for _ in range(2))
        await service.until_requested(2)
        await _cancel(first)
        service.publish(model)
        return await second

    assert run(work) == f"{model}:2"


def test_a_wait_that_begins_as_the_last_one_is_canceled_succeeds(sandbox: Sandbox, run: Run) -> None:
    model = sandbox.new_model(versions=1)

    async def work(service: Service) -> str:
        first = asyncio.ensure_future(service.wait(_exactly(f"{model}:2")))
        await service.until_requested(1)
        first.cancel()
        second = asyncio.ensure_future(service.wait(_exactly(f"{model}:1")))
        await asyncio.gather(first, return_exceptions=True)
        return await second

    assert run(work) == f"{model}:1"


def test_a_wait_times_out_after_at_least_one_poll(sandbox: Sandbox, run: Run) -> None:
    model = sandbox.new_model(versions=1)

    async def work(service: Service) -> None:
        with pytest.raises(
            WaitTimedOutError, match=rf"{model}:2 did not appear in time, .* newest version is {model}:1"
        ):
            await service.wait(_exactly(f"{model}:2"), seconds=0.05)
        with pytest.raises(WaitTimedOutError, match="after 0 s and 1 poll"):
            await service.wait(_exactly(f"{model}:2"), seconds=-60.0)
        # One poll is made, however late it is.
        assert await service.wait(_exactly(f"{model}:1"), seconds=-60.0) == f"{model}:1"

    run(work)


def test_waits_that_time_out_together_do_not_poll_once_more_each(sandbox: Sandbox, run: Run) -> None:
    model = sandbox.new_model(versions=1)

    async def work(service: Service) -> int:
        waits = [
            asyncio.ensure_future(
                service.wait(_exactly(f"{model}:2"), seconds=0.2 + number / 1000, interval=PollInterval(3600))
            )
            for number in range(50)
        ]
        results = await asyncio.gather(*waits, return_exceptions=True)
        assert all(isinstance(each, WaitTimedOutError) for each in results), results
        return len(service.requests)

    assert run(work) <= 3


def test_retryable_failures_are_counted_until_a_poll_succeeds(sandbox: Sandbox, run: Run) -> None:
    model = sandbox.new_model(versions=1)

    async def work(service: Service) -> None:
        failures = iter(
            [httpx.ConnectError("down"), httpx.Response(503), None, httpx.Response(502), httpx.Response(429)]
        )
        service.fault = lambda: next(failures, None)
        waiting = asyncio.ensure_future(service.wait(_exactly(f"{model}:2"), max_failures=2))
        await service.until_requested(7)
        service.publish(model)
        assert await waiting == f"{model}:2"

        service.fault = lambda: httpx.Response(503)
        with pytest.raises(WaitFailedError, match=r"3 polls in a row for .* failed\. The last error: .*503"):
            await service.wait(_exactly(f"{model}:3"), max_failures=2)

        tolerant = asyncio.ensure_future(service.wait(_exactly(f"{model}:3"), max_failures=None))
        before = len(service.requests)
        await service.until_requested(before + 10)
        service.fault = lambda: None
        service.publish(model)
        assert await tolerant == f"{model}:3"

    run(work)


def test_a_timeout_reports_the_last_failure(sandbox: Sandbox, run: Run) -> None:
    model = sandbox.new_model(versions=1)

    async def work(service: Service) -> None:
        service.fault = lambda: httpx.ConnectError("down")
        with pytest.raises(WaitTimedOutError, match=r"The last poll failed: .*down"):
            await service.wait(_exactly(f"{model}:2"), seconds=0.05)

    run(work)


def test_a_final_error_ends_a_wait_at_once(sandbox: Sandbox, run: Run) -> None:
    model = sandbox.new_model(versions=3)
    sandbox.delete(model, 2)

    async def work(service: Service) -> None:
        with pytest.raises(VersionGoneError):
            await service.wait(_exactly(f"{model}:2"))
        service.fault = lambda: httpx.Response(403, json={"detail": "no"})
        with pytest.raises(PermissionDeniedError):
            await service.wait(_exactly(f"{model}:4"))

    run(work)


def test_a_token_that_is_changed_meanwhile_is_used(sandbox: Sandbox, run: Run) -> None:
    model = sandbox.new_model(versions=1)

    async def work(service: Service) -> tuple[list[str], int]:
        right = service.token
        service.token = "was-revoked-3f9"
        first = asyncio.ensure_future(service.wait(_exactly(f"{model}:2")))
        with pytest.raises(AuthenticationError):
            await first
        opened = service.opened
        waits = [asyncio.ensure_future(service.wait(_exactly(f"{model}:2"))) for _ in range(10)]
        # Between the reading of the connection and the response, somebody changes the token.
        service.fault = lambda: setattr(service, "token", right)
        await service.until_requested(6)
        service.publish(model)
        return await asyncio.gather(*waits), service.opened - opened

    found, opened = run(work)
    assert found == [f"{model}:2"] * 10
    assert opened == 2


def test_everything_is_closed_at_the_end(sandbox: Sandbox, run: Run) -> None:
    model = sandbox.new_model(versions=1)

    async def work(service: Service) -> None:
        await service.wait(_exactly(f"{model}:1"))
        assert not any(shared.sources or shared.pools for shared in poller_pool._shared.values())

    run(work)


def test_a_connection_that_cannot_be_read_leaves_nothing_behind(run: Run) -> None:
    async def work(service: Service) -> None:
        async def fail() -> Any:
            raise LookupError("no such connection")

        service.open = fail  # type: ignore[method-assign]
        waits = [service.wait(_exactly("a/b:1"), max_failures=2) for _ in range(3)]
        results = await asyncio.gather(*waits, return_exceptions=True)
        assert [type(each) for each in results] == [WaitFailedError] * 3
        assert "3 polls in a row for a/b:1" in str(results[0])
        assert "no such connection" in str(results[0])
        assert not any(shared.sources or shared.pools for shared in poller_pool._shared.values())

    run(work)


def test_an_unexpected_error_of_a_poll_fails_the_waits_and_is_logged(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    async def work(service: Service) -> None:
        service.fault = lambda: ZeroDivisionError("a mistake of ours")
        with pytest.raises(WaitFailedError, match="unexpectedly"):
            await service.wait(_exactly("a/b:1"))

    run(work)
    assert "a mistake of ours" in caplog.text


def test_a_long_wait_logs_its_progress(sandbox: Sandbox, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wait_module, "PROGRESS_INTERVAL", 0.0)
    model = sandbox.new_model(versions=1)
    messages: list[str] = []

    async def work(service: Service) -> None:
        waiting = asyncio.ensure_future(service.wait(_exactly(f"{model}:2"), log_progress=messages.append))
        await service.until_requested(4)
        service.publish(model)
        await waiting

    run(work)
    assert messages[0].startswith(
        f"{model}:2 does not exist yet, after 0 s and 1 poll in this triggerer. The newest version is {model}:1."
    )


def test_a_new_wait_uses_the_settings_of_its_own_beginning(sandbox: Sandbox, run: Run) -> None:
    """Waits that began with the old settings do not share their poll with it, and continue with the new ones."""
    model = sandbox.new_model(versions=1)

    async def work(service: Service) -> None:
        by_notes = Criteria(model=ModelReference.parse(model), release_notes=read_pattern("wanted"))
        old = asyncio.ensure_future(service.wait(by_notes, interval=PollInterval(0.05)))
        await service.until_requested(2)
        service.token, right = "a-token-without-rights", service.token
        with pytest.raises(AuthenticationError):
            await service.wait(_exactly(f"{model}:1"))
        with pytest.raises(AuthenticationError):
            await old  # the settings that were read last apply to all
        service.token = right
        assert await service.wait(_exactly(f"{model}:1")) == f"{model}:1"

    run(work)


def test_an_open_wait_follows_a_changed_connection(sandbox: Sandbox, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_source, "MAX_AGE", 0.02)
    model = sandbox.new_model(versions=1)

    async def work(service: Service) -> tuple[str, list[float]]:
        wait = asyncio.ensure_future(service.wait(newer_than_start(model)))
        await service.until_requested(3)
        service.timeout = 17.0
        requests = len(service.requests)
        await service.until_requested(requests + 5)
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
        wait = asyncio.ensure_future(service.wait(_exactly(f"{model}:2"), max_failures=3))
        await service.until_requested(2)
        service.open_error = ConfigurationError("Connection 'wriftai_default' does not exist.")
        with pytest.raises(ConfigurationError, match="does not exist"):
            await wait

    run(work)


def test_a_connection_that_cannot_be_read_for_a_moment_ends_no_wait(
    sandbox: Sandbox, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_source, "MAX_AGE", 0.02)
    model = sandbox.new_model(versions=1)

    async def work(service: Service) -> list[str]:
        service.open_error = ConfigurationError("Connection 'wriftai_default' does not exist.")
        waits = [asyncio.ensure_future(service.wait(_exactly(f"{model}:2"), max_failures=10**6)) for _ in range(20)]
        await service.until_opened(3)
        service.open_error = None
        await service.until_requested(3)
        service.open_error = LookupError("The secrets backend is down.")
        await service.until_opened(service.opened + 2)
        service.open_error = None
        service.publish(model)
        return await asyncio.gather(*waits)

    assert run(work) == [f"{model}:2"] * 20


def test_a_failed_poll_counts_only_for_the_waits_that_it_was_due_for(sandbox: Sandbox, run: Run) -> None:
    model = sandbox.new_model(versions=1)

    async def work(service: Service) -> None:
        patient = asyncio.ensure_future(
            service.wait(_exactly(f"{model}:2"), max_failures=0, interval=PollInterval(3600.0))
        )
        await service.until_requested(1)
        hasty = asyncio.ensure_future(service.wait(_exactly(f"{model}:3"), max_failures=3))
        await service.until_requested(2)
        service.fault = lambda: httpx.Response(503)
        with pytest.raises(WaitFailedError, match="4 polls in a row"):
            await hasty
        assert not patient.done()
        await _cancel(patient)

    run(work)


def test_what_is_published_after_a_first_poll_that_failed_is_newer(sandbox: Sandbox, run: Run) -> None:
    model = sandbox.new_model(versions=3)

    async def work(service: Service) -> str:
        service.fault = lambda: httpx.Response(503)
        wait = asyncio.ensure_future(service.wait(newer_than_start(model), max_failures=10**6))
        await service.until_requested(1)
        service.publish(model)
        service.fault = lambda: None
        return await wait

    assert run(work) == f"{model}:4"


def test_a_connection_that_is_missing_from_the_beginning_ends_the_wait(run: Run) -> None:
    async def work(service: Service) -> None:
        service.open_error = ConfigurationError("Connection 'wriftai_default' does not exist.")
        with pytest.raises(ConfigurationError, match="does not exist"):
            await service.wait(_exactly("acme/det:1"), max_failures=10**6, connection_was_read=False)
        assert service.opened == 1

    run(work)


def test_an_endless_wait_reads_a_connection_that_is_missing_less_and_less_often(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    sleep = asyncio.sleep

    async def record_pause(seconds: float, *arguments: Any) -> Any:
        if seconds >= 1:
            pauses.append(seconds)
        return await sleep(0, *arguments)

    async def work(service: Service) -> None:
        monkeypatch.setattr(asyncio, "sleep", record_pause)
        service.open_error = ConfigurationError("Connection 'wriftai_default' does not exist.")
        wait = asyncio.ensure_future(service.wait(_exactly("acme/det:1"), seconds=math.inf))
        await service.until_opened(15)
        await _cancel(wait)

    run(work)
    assert pauses[:4] == [1, 2, 4, 8]
    assert max(pauses) == wait_module.LONGEST_PAUSE


def test_connections_with_equal_settings_share_their_polls(sandbox: Sandbox, run: Run) -> None:
    model = sandbox.new_model(versions=1)

    async def work(service: Service) -> int:
        waits = [
            asyncio.ensure_future(
                service.wait(_exactly(f"{model}:2"), connection=f"conn-{number}", interval=PollInterval(3600))
            )
            for number in range(10)
        ]
        await service.until_opened(10)
        await service.until_requested(1)
        requests = len(service.requests)
        await _cancel(*waits)
        return requests

    assert run(work) == 1


def test_waits_report_metrics(sandbox: Sandbox, run: Run) -> None:
    model = sandbox.new_model(versions=1)
    outcomes: list[str] = []
    open_waits: list[int] = []

    async def work(service: Service) -> None:
        failures = iter([httpx.Response(503)])
        service.fault = lambda: next(failures, None)
        metrics = WaitMetrics(count=outcomes.append, gauge=open_waits.append)
        await asyncio.gather(*(service.wait(_exactly(f"{model}:1"), metrics=metrics) for _ in range(3)))

    run(work)
    assert outcomes == ["failed", "ok"]
    assert (max(open_waits), open_waits[-1]) == (3, 0)


def test_exponential_backoff_is_each_waits_own(sandbox: Sandbox, run: Run) -> None:
    model = sandbox.new_model(versions=1)

    async def work(service: Service) -> None:
        patient = asyncio.ensure_future(
            service.wait(_exactly(f"{model}:2"), interval=PollInterval(0.01, exponential=True, maximum=3600.0))
        )
        hasty = asyncio.ensure_future(service.wait(_exactly(f"{model}:2"), interval=PollInterval(0.01)))
        await service.until_requested(10)
        await _cancel(hasty)
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
        await service.until_requested(2)

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
        waits = [asyncio.ensure_future(service.wait(each)) for each in (hostile, _exactly(f"{model}:3"))]
        with pytest.raises(PatternTimeoutError, match=r"\(a\|aa\)\+\$"):
            await waits[0]
        service.publish(model)
        return await waits[1]

    assert run(work) == f"{model}:3"
