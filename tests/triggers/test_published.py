from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any

import airflow
import pytest
from airflow.triggers.base import TriggerEvent

from airflow_provider_wriftai.client.errors import InvalidReferenceError
from airflow_provider_wriftai.domain.waiting.errors import InvalidCriteriaError
from airflow_provider_wriftai.domain.watermark import Watermark
from airflow_provider_wriftai.triggers.published import WriftAIVersionPublishedTrigger
from tests.support.sandbox import Sandbox

HAS_STREAMS = tuple(map(int, airflow.__version__.split(".")[:2])) >= (3, 3)


@pytest.fixture(autouse=True)
def _connection(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_WRIFTAI_DEFAULT", json.dumps(sandbox.connection()))


def _trigger(model: str, **values: Any) -> WriftAIVersionPublishedTrigger:
    return WriftAIVersionPublishedTrigger(model=model, poll_interval=0.01, seconds_between_events=0.0, **values)


def test_it_is_made_again_from_what_it_says(sandbox: Sandbox) -> None:
    trigger = _trigger("acme/det", release_notes="^rel", newer_than=datetime(2026, 1, 1, tzinfo=UTC))
    path, kwargs = trigger.serialize()
    assert path == "airflow_provider_wriftai.triggers.published.WriftAIVersionPublishedTrigger"
    assert WriftAIVersionPublishedTrigger(**json.loads(json.dumps(kwargs))).serialize() == (path, kwargs)
    assert sandbox.token not in json.dumps(kwargs)


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({"model": "acme"}, InvalidReferenceError),
        ({"model": "acme/det", "release_notes": "("}, InvalidCriteriaError),
        ({"model": "acme/det", "newer_than": "2026-01-01"}, InvalidCriteriaError),
        ({"model": "acme/det", "newer_than": "other/det:3"}, InvalidCriteriaError),
        ({"model": "acme/det", "poll_interval": "60"}, InvalidCriteriaError),
        ({"model": "acme/det", "poll_interval": -5}, InvalidCriteriaError),
        ({"model": "acme/det", "seconds_between_events": None}, InvalidCriteriaError),
    ],
)
def test_a_mistake_shows_where_the_dag_is_parsed(values: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        WriftAIVersionPublishedTrigger(**values)


def test_an_event_has_the_version_but_for_its_schemas(sandbox: Sandbox) -> None:
    model = sandbox.new_model(versions=2)

    async def first() -> Any:
        async with aclosing(_trigger(model, newer_than=1).run()) as running:  # type: ignore[type-var]
            return (await anext(running)).payload

    payload = asyncio.run(first())
    assert (payload["model"], payload["reference"], payload["number"]) == (model, f"{model}:2", 2)
    assert payload["container_image_digest"].startswith("sha256:")
    assert "schemas" not in payload
    assert json.loads(json.dumps(payload)) == payload


class Store:
    """An asset's state store."""

    def __init__(self) -> None:
        self.kept: dict[str, Any] = {}
        self.failures: list[Exception] = []
        self.saved = asyncio.Condition()

    async def aget(self, key: str) -> Any:
        if self.failures:
            raise self.failures.pop()
        return self.kept.get(key)

    async def aset(self, key: str, value: Any) -> None:
        if self.failures:
            raise self.failures.pop()
        async with self.saved:
            self.kept[key] = json.loads(json.dumps(value))
            self.saved.notify_all()

    async def until(self, number: int) -> None:
        """Wait until the mark is at a version."""
        async with self.saved:
            await self.saved.wait_for(lambda: number in [value["number"] for value in self.kept.values()])


class Triggerer:
    """What Airflow does with the trigger, but for the processes: it tells when an event is stored."""

    def __init__(self, trigger: WriftAIVersionPublishedTrigger, store: Store) -> None:
        from airflow.triggers.shared_stream import SharedStreamManager

        trigger.asset_state_store = store  # type: ignore[assignment]
        self.stores_events = True
        self._trigger = trigger
        self._key: Any = trigger.shared_stream_key()
        self._streams = SharedStreamManager(log=__import__("structlog").get_logger())

    async def events(self) -> AsyncIterator[TriggerEvent]:
        stream = self._streams.subscribe(trigger_id=1, trigger=self._trigger, key=self._key)
        try:
            async for event in self._trigger.filter_shared_stream(stream):
                sequence = self._streams.bind_pending_event(trigger_id=1, key=self._key)
                yield event
                if self.stores_events:
                    assert sequence is not None
                    self._streams.confirm_persisted([sequence])
        finally:
            await self._streams.unsubscribe(1, self._key)
            await self._streams.stop_all()


def _publish(sandbox: Sandbox, model: str) -> None:
    sandbox.store.create_version(
        *model.split("/"), release_notes="x", schemas={}, container_image_digest="sha256:" + "ab" * 32
    )


@pytest.mark.skipif(not HAS_STREAMS, reason="only Airflow from 3.3 on tells that an event is stored")
class TestWithAStore:
    def test_the_mark_follows_what_is_stored_and_outlasts_a_restart(self, sandbox: Sandbox) -> None:
        model = sandbox.new_model(versions=1)

        async def work() -> list[str]:
            store = Store()
            async with aclosing(Triggerer(_trigger(model), store).events()) as events:  # type: ignore[type-var]
                first = asyncio.ensure_future(anext(events))
                await store.until(1)
                _publish(sandbox, model)
                told = [(await first).payload["reference"]]
                second = asyncio.ensure_future(anext(events))
                await store.until(2)
                second.cancel()
                await asyncio.gather(second, return_exceptions=True)
            for _ in range(3):
                _publish(sandbox, model)
            async with aclosing(Triggerer(_trigger(model), store).events()) as events:  # type: ignore[type-var]
                told += [(await anext(events)).payload["reference"] for _ in range(3)]
            return told

        assert asyncio.run(work()) == [f"{model}:{number}" for number in (2, 3, 4, 5)]

    def test_what_was_not_stored_is_told_again(self, sandbox: Sandbox) -> None:
        model = sandbox.new_model(versions=1)

        async def work() -> list[str]:
            store = Store()
            triggerer = Triggerer(_trigger(model), store)
            triggerer.stores_events = False
            told = []
            async with aclosing(triggerer.events()) as events:  # type: ignore[type-var]
                first = asyncio.ensure_future(anext(events))
                await store.until(1)
                _publish(sandbox, model)
                _publish(sandbox, model)
                told += [(await first).payload["reference"], (await anext(events)).payload["reference"]]
            async with aclosing(Triggerer(_trigger(model), store).events()) as events:  # type: ignore[type-var]
                told += [(await anext(events)).payload["reference"] for _ in range(2)]
            return told

        assert asyncio.run(work()) == [f"{model}:{number}" for number in (2, 3, 2, 3)]

    def test_a_store_that_fails_ends_nothing(self, sandbox: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
        model = sandbox.new_model(versions=1)

        async def work() -> list[str]:
            store = Store()
            # The mark cannot be read at first, and then cannot be moved.
            store.failures = [RuntimeError("busy"), RuntimeError("busy")]
            async with aclosing(Triggerer(_trigger(model, newer_than=0), store).events()) as events:  # type: ignore[type-var]
                told = [(await anext(events)).payload["reference"]]
                later = asyncio.ensure_future(anext(events))
                await asyncio.sleep(0)
                _publish(sandbox, model)
                told.append((await later).payload["reference"])
                last = asyncio.ensure_future(anext(events))
                await store.until(2)
                last.cancel()
                await asyncio.gather(last, return_exceptions=True)
                return told

        assert asyncio.run(work()) == [f"{model}:1", f"{model}:2"]

    @pytest.mark.parametrize("kept", [{"number": "x"}, "nonsense", 7])
    def test_a_mark_that_is_none_begins_anew(self, sandbox: Sandbox, kept: Any) -> None:
        trigger = _trigger("acme/det")

        async def load() -> Watermark | None:
            trigger.asset_state_store = store = Store()  # type: ignore[assignment]
            store.kept[trigger._mark] = kept
            return await trigger._load()

        assert asyncio.run(load()) is None

    def test_several_assets_of_one_trigger_have_no_mark_and_a_failure_is_not_taken_for_that(self) -> None:
        async def load(*failures: Exception) -> Watermark | None:
            trigger = _trigger("acme/det")
            trigger.asset_state_store = store = Store()  # type: ignore[assignment]
            store.kept[trigger._mark] = {"known": [], "is_all": False, "number": 7, "oldest": None}
            store.failures = list(failures)
            return await trigger._load()

        assert asyncio.run(load(ValueError("Task has 2 concrete inlets"))) is None
        mark = asyncio.run(load(json.JSONDecodeError("garbled", "", 0)))
        assert mark is not None
        assert mark.number == 7

    def test_another_question_has_another_mark(self) -> None:
        marks = {
            _trigger("acme/det")._mark,
            _trigger("acme/other")._mark,
            _trigger("acme/det", release_notes="x")._mark,
            _trigger("acme/det", newer_than=3)._mark,
            _trigger("acme/det", wriftai_conn_id="other")._mark,
        }
        assert len(marks) == 5


def test_without_a_store_it_takes_no_part_in_a_stream() -> None:
    assert _trigger("acme/det").shared_stream_key() is None
