"""Streams of a sandbox's versions."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, datetime
from typing import cast

import httpx
import pytest

from airflow_provider_wriftai.client.api import API
from airflow_provider_wriftai.client.references import ModelReference, parse_version
from airflow_provider_wriftai.client.retrying import RetryPolicy
from airflow_provider_wriftai.client.version import VersionRecord
from airflow_provider_wriftai.domain import patterns
from airflow_provider_wriftai.domain.waiting import connection_source, event_stream
from airflow_provider_wriftai.domain.waiting.criteria import START, Criteria, read_newer_than, read_pattern
from airflow_provider_wriftai.domain.waiting.event_stream import Checkpoint, VersionEvent, stream_versions
from airflow_provider_wriftai.domain.watermark import Watermark
from tests.support.sandbox import Sandbox
from tests.support.waiting_service import Run, Send, Service, ServiceTransport, newer_than_start


def _stream(
    service: Service, criteria: Criteria, *, since: Checkpoint | None = None, pause: float = 0.0
) -> AsyncGenerator[VersionEvent]:
    stream = stream_versions(
        criteria, poll_interval=0.01, seconds_between_events=pause, open_api=service.open, since=since
    )
    return cast("AsyncGenerator[VersionEvent]", stream)


async def _next(stream: AsyncGenerator[VersionEvent], count: int) -> list[str]:
    events = [await anext(stream) for _ in range(count)]
    return [str(event.version.reference) for event in events if event.version is not None]


def test_each_version_is_delivered_once_oldest_first(sandbox: Sandbox, run: Run) -> None:
    model = sandbox.new_model(versions=3)

    async def work(service: Service) -> tuple[list[str], list[str]]:
        async with aclosing(_stream(service, newer_than_start(model))) as stream:
            begins = await anext(stream)
            assert begins.version is None
            published = [service.publish(model) for _ in range(3)]
            delivered = await _next(stream, 3)
            # More than fit on a page.
            published += [service.publish(model) for _ in range(70)]
            delivered += await _next(stream, 70)
            return published, delivered

    published, delivered = run(work)
    assert delivered == published


def test_more_than_a_page_is_delivered_after_the_model_was_unknown_for_a_moment(sandbox: Sandbox, run: Run) -> None:
    model = sandbox.new_model(versions=1)

    async def work(service: Service) -> tuple[list[str], list[str]]:
        async with aclosing(_stream(service, newer_than_start(model))) as stream:
            await anext(stream)
            first = asyncio.ensure_future(anext(stream))
            await service.until_requested(3)
            service.fault = lambda: httpx.Response(404, json={"detail": "no such model"})
            await service.until_requested(len(service.requests) + 3)
            published = [service.publish(model) for _ in range(60)]
            service.fault = lambda: None
            version = (await first).version
            assert version is not None
            return published, [str(version.reference), *await _next(stream, 59)]

    published, delivered = run(work)
    assert delivered == published


def test_a_stream_resumes_from_each_of_its_checkpoints(sandbox: Sandbox, run: Run) -> None:
    model = sandbox.new_model(versions=1)

    async def work(service: Service) -> None:
        async with aclosing(_stream(service, newer_than_start(model))) as stream:
            events = [await anext(stream)]
            published = [service.publish(model) for _ in range(5)]
            events += [await anext(stream) for _ in range(5)]
        for number, event in enumerate(events):
            since = Checkpoint.from_json(json.loads(json.dumps(event.checkpoint.to_json())))
            service.publish(model)
            published.append(f"{model}:{7 + number}")
            async with aclosing(_stream(service, newer_than_start(model), since=since)) as again:
                assert await _next(again, len(published) - number) == published[number:]

    run(work)


def test_the_checkpoints_of_a_stream_never_move_back(sandbox: Sandbox, run: Run) -> None:
    model = sandbox.new_model(versions=1)

    async def work(service: Service) -> list[int | None]:
        numbers = []
        async with aclosing(_stream(service, newer_than_start(model))) as stream:
            for _ in range(20):
                event = await anext(stream)
                numbers.append(event.checkpoint.watermark.number)
                if len(numbers) == 10:
                    # The newest version is deleted, so that the list begins with an older one.
                    sandbox.store.delete_version(sandbox.store.versions(*model.split("/"))[0])
                service.publish(model)
        return numbers

    numbers = run(work)
    assert numbers == sorted(numbers)


def test_a_stream_begins_after_newer_than(sandbox: Sandbox, run: Run) -> None:
    model = sandbox.new_model(versions=5)
    reference = ModelReference.parse(model)

    async def work(service: Service) -> list[str]:
        criteria = Criteria(model=reference, newer_than=read_newer_than(reference, 3))
        async with aclosing(_stream(service, criteria)) as stream:
            return await _next(stream, 2)

    assert run(work) == [f"{model}:4", f"{model}:5"]


def test_only_versions_whose_release_notes_match_are_delivered(sandbox: Sandbox, run: Run) -> None:
    model = sandbox.new_model(versions=1)
    reference = ModelReference.parse(model)

    async def work(service: Service) -> list[str]:
        criteria = Criteria(model=reference, newer_than=read_newer_than(reference, 1), release_notes=read_pattern("r"))
        for notes in ("release 1", "x", "release 2", "x"):
            service.publish(model, notes)
        async with aclosing(_stream(service, criteria)) as stream:
            delivered = await _next(stream, 2)
            service.publish(model, "release 3")
            return delivered + await _next(stream, 1)

    assert run(work) == [f"{model}:2", f"{model}:4", f"{model}:6"]


def test_a_stream_continues_after_every_error(
    sandbox: Sandbox, run: Run, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_stream, "LONGEST_PAUSE", 0.01)
    model = sandbox.new_model(versions=1)

    async def work(service: Service) -> list[str]:
        right, service.token = service.token, "was-revoked-3f9"
        failures = iter([None, None, httpx.Response(403), httpx.ConnectError("down"), httpx.Response(200, text="<p>")])
        real_open, broken = service.open, iter([LookupError("no such connection")])

        async def open_or_fail() -> API:
            if (failure := next(broken, None)) is not None:
                raise failure
            return await real_open()

        service.open = open_or_fail  # type: ignore[method-assign]
        service.fault = lambda: next(failures, None)
        async with aclosing(_stream(service, newer_than_start(model))) as stream:
            begins = asyncio.ensure_future(anext(stream))
            await service.until_requested(2)
            service.token = right
            assert (await begins).version is None
            service.publish(model)
            return await _next(stream, 1)

    assert run(work) == [f"{model}:2"]
    assert f"Cannot watch {model}. Trying again" in caplog.text
    assert "was-revoked" not in caplog.text


def test_a_version_whose_release_notes_cannot_be_searched_does_not_hold_up_the_next(
    sandbox: Sandbox, run: Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(patterns, "LONGEST_SEARCH", 0.02)
    model = sandbox.new_model(versions=1)
    criteria = Criteria(
        model=ModelReference.parse(model), newer_than=START, release_notes=read_pattern("^release|^(a|aa)+$")
    )

    async def work(service: Service) -> list[str]:
        async with aclosing(_stream(service, criteria)) as stream:
            await anext(stream)
            service.publish(model, "a" * 200 + "b")
            service.publish(model, "release 2")
            service.publish(model, "release 3")
            return await _next(stream, 2)

    assert run(work) == [f"{model}:3", f"{model}:4"]
    assert f"{model}:2 is skipped, because its release notes cannot be searched." in caplog.text


@pytest.mark.parametrize("status", [503, 403])
def test_versions_published_before_the_first_successful_poll_are_delivered(
    sandbox: Sandbox, run: Run, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    monkeypatch.setattr(event_stream, "LONGEST_PAUSE", 0.01)
    model = sandbox.new_model(versions=3)

    async def work(service: Service) -> list[str]:
        service.fault = lambda: httpx.Response(status)
        async with aclosing(_stream(service, newer_than_start(model))) as stream:
            begins = asyncio.ensure_future(anext(stream))
            await service.until_requested(2)
            published = [service.publish(model) for _ in range(2)]
            service.fault = lambda: None
            assert (await begins).version is None
            assert await _next(stream, 2) == published
            return published

    assert run(work) == [f"{model}:4", f"{model}:5"]


class MovingService(Service):
    """A service whose connection can lead to another base URL."""

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__(sandbox)
        self.host = sandbox.base_url(2)
        self.base_paths: list[str] = []

    async def handle(self, request: httpx.Request, send: Send) -> httpx.Response:
        self.base_paths.append(request.url.path.partition("/v1")[0])
        return await super().handle(request, send)

    async def open(self) -> API:
        await super().open()
        return API(
            self.host, self.token, async_transport=ServiceTransport(self), retry=RetryPolicy(attempts=1, seconds=1)
        )


def test_a_stream_follows_its_connection_to_another_service(
    sandbox: Sandbox, run: Run, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_source, "MAX_AGE", 0.05)
    model = sandbox.new_model(versions=3)

    async def work(_: Service) -> None:
        service = MovingService(sandbox)
        async with aclosing(_stream(service, newer_than_start(model))) as stream:
            first = await anext(stream)
            assert first.checkpoint == Checkpoint(sandbox.base_url(2), Watermark(number=3, is_all=True))
            begins = asyncio.ensure_future(anext(stream))
            await service.until_requested(3)
            # The other generation acts as another service, because it names versions differently.
            service.host = sandbox.base_url(1)
            event = await begins
            assert event.version is None
            assert event.checkpoint.service == sandbox.base_url(1)
            service.base_paths.clear()
            service.publish(model)
            version = (await anext(stream)).version
            assert version is not None
            assert version.number is None
            assert set(service.base_paths) == {"/generation-1"}

    run(work)
    assert "The connection no longer leads to" in caplog.text


def test_a_checkpoint_of_another_service_is_not_used(sandbox: Sandbox, run: Run) -> None:
    model = sandbox.new_model(versions=3)

    async def work(service: Service) -> list[str]:
        since = Checkpoint("https://other.example/v1", Watermark(number=700))
        async with aclosing(_stream(service, newer_than_start(model), since=since)) as stream:
            event = await anext(stream)
            assert event.checkpoint.service == sandbox.base_url(2)
            assert event.checkpoint.watermark.number == 3
            service.publish(model)
            return await _next(stream, 1)

    assert run(work) == [f"{model}:4"]


def test_another_token_for_the_same_service_leaves_no_gap(
    sandbox: Sandbox, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_source, "MAX_AGE", 0.05)
    model = sandbox.new_model(versions=1)
    sandbox.store.add_token("another-token-5d2", "acme")

    async def work(_: Service) -> list[str]:
        service = MovingService(sandbox)
        async with aclosing(_stream(service, newer_than_start(model))) as stream:
            await anext(stream)
            first = asyncio.ensure_future(anext(stream))
            await service.until_requested(3)
            service.gate.clear()
            opened = service.opened
            service.token = "another-token-5d2"
            service.publish(model)
            await service.until_opened(opened + 1)
            service.gate.set()
            version = (await first).version
            assert version is not None
            return [str(version.reference)]

    assert run(work) == [f"{model}:2"]


def test_seconds_between_events_pass_between_two_versions(sandbox: Sandbox, run: Run) -> None:
    model = sandbox.new_model(versions=1)

    async def work(service: Service) -> float:
        loop = asyncio.get_running_loop()
        async with aclosing(_stream(service, newer_than_start(model), pause=0.2)) as stream:
            await anext(stream)
            for _ in range(3):
                service.publish(model)
            await _next(stream, 1)
            first = loop.time()
            await _next(stream, 2)
            return loop.time() - first

    # On a machine under load, more time passes.
    assert run(work) >= 0.4


class TestCheckpoint:
    def test_it_covers_what_was_delivered_of_its_service(self) -> None:
        checkpoint = Checkpoint("https://a.example/v1", Watermark(number=7))
        version = VersionRecord(parse_version("acme/det:7"))
        assert checkpoint.covers(version, "https://a.example/v1")
        assert not checkpoint.covers(VersionRecord(parse_version("acme/det:8")), "https://a.example/v1")
        assert not checkpoint.covers(version, "https://b.example/v1")

    def test_it_is_read_from_what_it_writes(self) -> None:
        watermark = Watermark(known=frozenset({parse_version("a1")}), oldest=datetime(2026, 1, 1, tzinfo=UTC))
        checkpoint = Checkpoint("https://a.example/v1", watermark)
        assert Checkpoint.from_json(json.loads(json.dumps(checkpoint.to_json()))) == checkpoint

    def test_two_of_one_service_are_merged_and_of_another_service_are_not(self) -> None:
        behind, ahead = (Checkpoint("https://a.example/v1", Watermark(number=number)) for number in (5, 14))
        assert behind.merge(ahead) == ahead.merge(behind) == ahead
        elsewhere = Checkpoint("https://b.example/v1", Watermark(number=99))
        assert behind.merge(elsewhere) == behind
