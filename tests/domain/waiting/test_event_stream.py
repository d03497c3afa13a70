"""Listening for versions in a sandbox."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import httpx
import pytest

from airflow_provider_wriftai.client.references import ModelReference
from airflow_provider_wriftai.domain.waiting import event_stream
from airflow_provider_wriftai.domain.waiting.criteria import Criteria, read_newer_than, read_pattern
from airflow_provider_wriftai.domain.waiting.event_stream import VersionEvent, stream_versions
from airflow_provider_wriftai.domain.watermark import Watermark
from tests.support.sandbox import Sandbox
from tests.support.waiting_service import Run, Service, newer_than_start


def _listen(service: Service, condition: Criteria) -> AsyncIterator[VersionEvent]:
    return stream_versions(condition, 0.01, 0.0, "wriftai_default", service.open)


async def _next(listening: AsyncIterator[VersionEvent], count: int) -> list[str]:
    told = [await anext(listening) for _ in range(count)]
    return [each.version["reference"] for each in told if each.version is not None]


def test_each_version_once_the_oldest_first(sandbox: Sandbox, run: Run) -> None:
    model = sandbox.new_model(versions=3)

    async def work(service: Service) -> tuple[list[str], list[str]]:
        async with aclosing(_listen(service, newer_than_start(model))) as listening:  # type: ignore[type-var]
            begins = await anext(listening)
            assert begins.version is None
            published = [service.publish(model) for _ in range(3)]
            told = await _next(listening, 3)
            # More than fit a page.
            published += [service.publish(model) for _ in range(70)]
            told += await _next(listening, 70)
            return published, told

    published, told = run(work)
    assert told == published


def test_more_than_a_page_after_the_service_knew_nothing_of_the_model_for_a_moment(sandbox: Sandbox, run: Run) -> None:
    model = sandbox.new_model(versions=1)

    async def work(service: Service) -> tuple[list[str], list[str]]:
        async with aclosing(_listen(service, newer_than_start(model))) as listening:  # type: ignore[type-var]
            await anext(listening)
            first = asyncio.ensure_future(anext(listening))
            await service.until_asked(3)
            service.fails = lambda: httpx.Response(404, json={"detail": "no such model"})
            await service.until_asked(len(service.asked) + 3)
            published = [service.publish(model) for _ in range(60)]
            service.fails = lambda: None
            version = (await first).version
            assert version is not None
            return published, [version["reference"], *await _next(listening, 59)]

    published, told = run(work)
    assert told == published


def test_it_goes_on_from_any_mark_it_gave(sandbox: Sandbox, run: Run) -> None:
    model = sandbox.new_model(versions=1)

    async def work(service: Service) -> None:
        async with aclosing(_listen(service, newer_than_start(model))) as listening:  # type: ignore[type-var]
            marks = [await anext(listening)]
            published = [service.publish(model) for _ in range(5)]
            marks += [await anext(listening) for _ in range(5)]
        for number, mark in enumerate(marks):
            since = Watermark.from_json(json.loads(json.dumps(mark.watermark.to_json())))
            condition = newer_than_start(model).with_newer_than(since)
            service.publish(model)
            published.append(f"{model}:{7 + number}")
            async with aclosing(_listen(service, condition)) as again:  # type: ignore[type-var]
                assert await _next(again, len(published) - number) == published[number:]

    run(work)


def test_it_begins_where_it_is_told(sandbox: Sandbox, run: Run) -> None:
    model = sandbox.new_model(versions=5)
    reference = ModelReference.parse(model)

    async def work(service: Service) -> list[str]:
        condition = Criteria(model=reference, newer_than=read_newer_than(reference, 3))
        async with aclosing(_listen(service, condition)) as listening:  # type: ignore[type-var]
            return await _next(listening, 2)

    assert run(work) == [f"{model}:4", f"{model}:5"]


def test_only_what_is_asked_for(sandbox: Sandbox, run: Run) -> None:
    model = sandbox.new_model(versions=1)
    reference = ModelReference.parse(model)

    async def work(service: Service) -> list[str]:
        condition = Criteria(model=reference, newer_than=read_newer_than(reference, 1), release_notes=read_pattern("r"))
        for notes in ("release 1", "x", "release 2", "x"):
            service.publish(model, notes)
        async with aclosing(_listen(service, condition)) as listening:  # type: ignore[type-var]
            told = await _next(listening, 2)
            service.publish(model, "release 3")
            return told + await _next(listening, 1)

    assert run(work) == [f"{model}:2", f"{model}:4", f"{model}:6"]


def test_whatever_goes_wrong_it_goes_on(
    sandbox: Sandbox, run: Run, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_stream, "LONGEST_PAUSE", 0.01)
    model = sandbox.new_model(versions=1)

    async def work(service: Service) -> list[str]:
        right, service.token = service.token, "was-revoked-3f9"
        failures = iter([None, None, httpx.Response(403), httpx.ConnectError("down"), httpx.Response(200, text="<p>")])
        real_open, broken = service.open, iter([LookupError("no such connection")])

        async def open_or_fail() -> Any:
            if (failure := next(broken, None)) is not None:
                raise failure
            return await real_open()

        service.open = open_or_fail  # type: ignore[method-assign]
        service.fails = lambda: next(failures, None)
        async with aclosing(_listen(service, newer_than_start(model))) as listening:  # type: ignore[type-var]
            begins = asyncio.ensure_future(anext(listening))
            await service.until_asked(2)
            service.token = right
            assert (await begins).version is None
            service.publish(model)
            return await _next(listening, 1)

    assert run(work) == [f"{model}:2"]
    assert "Nothing can be heard of new versions" in caplog.text
    assert "was-revoked" not in caplog.text


def test_there_is_room_between_two_versions(sandbox: Sandbox, run: Run) -> None:
    model = sandbox.new_model(versions=1)

    async def work(service: Service) -> float:
        loop = asyncio.get_running_loop()
        listening = stream_versions(newer_than_start(model), 0.01, 0.2, "wriftai_default", service.open)
        async with aclosing(listening):  # type: ignore[type-var]
            await anext(listening)
            for _ in range(3):
                service.publish(model)
            await _next(listening, 1)
            first = loop.time()
            await _next(listening, 2)
            return loop.time() - first

    assert run(work) >= 0.4
