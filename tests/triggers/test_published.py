from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from airflow.triggers.base import TriggerEvent

from airflow_provider_wriftai._airflow.compat import AIRFLOW_VERSION
from airflow_provider_wriftai._airflow.parameters import InvalidParameterError
from airflow_provider_wriftai.client.errors import InvalidReferenceError, WriftAIError
from airflow_provider_wriftai.domain.patterns import InvalidPatternError
from airflow_provider_wriftai.domain.waiting import poll_interval
from airflow_provider_wriftai.domain.waiting.errors import InvalidCriteriaError
from airflow_provider_wriftai.triggers.published import WriftAIVersionPublishedTrigger
from tests.support.sandbox import Sandbox

HAS_STREAMS = AIRFLOW_VERSION >= (3, 3)


@pytest.fixture(autouse=True)
def _connection(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_WRIFTAI_DEFAULT", json.dumps(sandbox.connection()))
    monkeypatch.setattr(poll_interval, "SHORTEST_INTERVAL", 0.0)


def _trigger(model: str, **values: Any) -> WriftAIVersionPublishedTrigger:
    return WriftAIVersionPublishedTrigger(model=model, poll_interval=0.01, seconds_between_events=0.0, **values)


def test_a_trigger_is_created_again_from_its_serialization(sandbox: Sandbox) -> None:
    trigger = _trigger("acme/det", release_notes="^rel", newer_than=datetime(2026, 1, 1, tzinfo=UTC))
    path, kwargs = trigger.serialize()
    assert path == "airflow_provider_wriftai.triggers.published.WriftAIVersionPublishedTrigger"
    assert WriftAIVersionPublishedTrigger(**json.loads(json.dumps(kwargs))).serialize() == (path, kwargs)
    assert sandbox.token not in json.dumps(kwargs)


def test_equal_arguments_in_different_forms_are_the_same_trigger() -> None:
    # Airflow runs one trigger for all that serialize to the same values.
    forms: list[dict[str, Any]] = [
        {"newer_than": 3, "poll_interval": 60},
        {"newer_than": "acme/det:3", "poll_interval": 60.0},
        {"newer_than": " 3 ", "poll_interval": timedelta(minutes=1)},
    ]
    (serialized,) = {json.dumps(WriftAIVersionPublishedTrigger(model="acme/det", **form).serialize()) for form in forms}
    assert json.loads(serialized)[1]["newer_than"] == 3


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({"model": "acme"}, InvalidReferenceError),
        ({"model": "acme/det", "release_notes": "("}, InvalidPatternError),
        ({"model": "acme/det", "newer_than": "2026-01-01"}, InvalidCriteriaError),
        ({"model": "acme/det", "newer_than": "other/det:3"}, InvalidCriteriaError),
        ({"model": "acme/det", "poll_interval": "soon"}, InvalidParameterError),
        ({"model": "acme/det", "poll_interval": -5}, InvalidParameterError),
        ({"model": "acme/det", "seconds_between_events": None}, InvalidParameterError),
        ({"model": None}, InvalidParameterError),
        ({"model": "acme/det", "release_notes": 5}, InvalidParameterError),
        ({"model": "acme/det", "newer_than": "latest"}, InvalidParameterError),
        ({"model": "acme/det", "wriftai_conn_id": None}, InvalidParameterError),
        ({"model": "acme/det", "wriftai_conn_id": ""}, InvalidParameterError),
        ({"model": "acme/det", "wriftai_conn_id": "{{ var.value.connection }}"}, InvalidParameterError),
    ],
)
def test_an_invalid_argument_is_an_error_when_the_dag_is_parsed(
    values: dict[str, Any], error: type[WriftAIError]
) -> None:
    with pytest.raises(error):
        WriftAIVersionPublishedTrigger(**values)


def test_an_event_has_plain_fields_of_the_version_and_no_schemas(sandbox: Sandbox) -> None:
    model = sandbox.new_model(versions=2)

    async def first() -> Any:
        async with aclosing(cast("AsyncGenerator[TriggerEvent]", _trigger(model, newer_than=1).run())) as running:
            return (await anext(running)).payload

    payload = asyncio.run(first())
    assert (payload["model"], payload["reference"], payload["number"]) == (model, f"{model}:2", 2)
    assert payload["outcome"] == "published"
    assert payload["container_image_digest"].startswith("sha256:")
    assert "schemas" not in payload
    assert all(isinstance(value, str | int) for value in payload.values())


class Store:
    """An asset's state store."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.failures: list[Exception] = []
        self.saved = asyncio.Condition()

    async def aget(self, key: str) -> Any:
        return self.values.get(key)

    async def aset(self, key: str, value: Any) -> None:
        if self.failures:
            raise self.failures.pop()
        async with self.saved:
            self.values[key] = json.loads(json.dumps(value))
            self.saved.notify_all()

    async def until(self, number: int) -> None:
        """Wait until the checkpoint is at a version."""
        async with self.saved:
            await self.saved.wait_for(lambda: number in [value["number"] for value in self.values.values()])


class Triggerer:
    """A triggerer without processes. It confirms that events are stored, as Airflow does."""

    def __init__(self, trigger: WriftAIVersionPublishedTrigger, store: Store) -> None:
        import structlog
        from airflow.triggers.shared_stream import SharedStreamManager

        trigger.asset_state_store = store  # type: ignore[assignment]
        self.stores_events = True
        self._trigger = trigger
        self._key: Any = trigger.shared_stream_key()
        self._streams = SharedStreamManager(log=structlog.get_logger())

    async def events(self) -> AsyncGenerator[TriggerEvent]:
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


async def _cancel(pending: asyncio.Future[TriggerEvent]) -> None:
    pending.cancel()
    await asyncio.gather(pending, return_exceptions=True)


@pytest.mark.skipif(not HAS_STREAMS, reason="only Airflow from 3.3 on confirms that an event is stored")
class TestWithAStore:
    def test_the_checkpoint_follows_what_is_stored_and_survives_a_restart(self, sandbox: Sandbox) -> None:
        model = sandbox.new_model(versions=1)

        async def work() -> list[str]:
            store = Store()
            async with aclosing(Triggerer(_trigger(model), store).events()) as events:
                first = asyncio.ensure_future(anext(events))
                await store.until(1)
                _publish(sandbox, model)
                delivered = [(await first).payload["reference"]]
                second = asyncio.ensure_future(anext(events))
                await store.until(2)
                await _cancel(second)
            for _ in range(3):
                _publish(sandbox, model)
            async with aclosing(Triggerer(_trigger(model), store).events()) as events:
                delivered += [(await anext(events)).payload["reference"] for _ in range(3)]
            return delivered

        assert asyncio.run(work()) == [f"{model}:{number}" for number in (2, 3, 4, 5)]

    def test_what_was_not_stored_is_delivered_again(self, sandbox: Sandbox) -> None:
        model = sandbox.new_model(versions=1)

        async def work() -> list[str]:
            store = Store()
            triggerer = Triggerer(_trigger(model), store)
            triggerer.stores_events = False
            delivered = []
            async with aclosing(triggerer.events()) as events:
                first = asyncio.ensure_future(anext(events))
                await store.until(1)
                _publish(sandbox, model)
                _publish(sandbox, model)
                delivered += [(await first).payload["reference"], (await anext(events)).payload["reference"]]
            async with aclosing(Triggerer(_trigger(model), store).events()) as events:
                delivered += [(await anext(events)).payload["reference"] for _ in range(2)]
            return delivered

        assert asyncio.run(work()) == [f"{model}:{number}" for number in (2, 3, 2, 3)]

    def test_a_triggerer_that_was_replaced_skips_what_the_other_delivered(self, sandbox: Sandbox) -> None:
        model = sandbox.new_model(versions=1)

        async def work() -> tuple[list[str], Any]:
            store = Store()
            suspended = Triggerer(_trigger(model), store)
            async with aclosing(suspended.events()) as events:
                first = asyncio.ensure_future(anext(events))
                await store.until(1)
                _publish(sandbox, model)
                delivered = [(await first).payload["reference"]]
                # The triggerer is suspended here, during an event. Another one continues meanwhile.
                for _ in range(4):
                    _publish(sandbox, model)
                async with aclosing(Triggerer(_trigger(model), store).events()) as others:
                    delivered += [(await anext(others)).payload["reference"] for _ in range(5)]
                    last = asyncio.ensure_future(anext(others))
                    await store.until(6)
                    await _cancel(last)
                # The suspended triggerer continues here with what it knew.
                _publish(sandbox, model)
                delivered.append((await anext(events)).payload["reference"])
                values = dict(store.values)
            return delivered, values

        delivered, values = asyncio.run(work())
        # The second version was delivered, but not confirmed, when the other triggerer began.
        assert delivered == [f"{model}:{number}" for number in (2, 2, 3, 4, 5, 6, 7)]
        assert [value["number"] for value in values.values()] == [6]

    def test_a_failing_store_does_not_end_the_stream(self, sandbox: Sandbox) -> None:
        model = sandbox.new_model(versions=1)

        async def work() -> list[str]:
            store = Store()
            store.failures = [RuntimeError("busy")]
            async with aclosing(Triggerer(_trigger(model, newer_than=0), store).events()) as events:
                delivered = [(await anext(events)).payload["reference"]]
                later = asyncio.ensure_future(anext(events))
                await asyncio.sleep(0)
                _publish(sandbox, model)
                delivered.append((await later).payload["reference"])
                last = asyncio.ensure_future(anext(events))
                await store.until(2)
                await _cancel(last)
                return delivered

        assert asyncio.run(work()) == [f"{model}:1", f"{model}:2"]


def test_every_selection_of_versions_has_its_own_checkpoint() -> None:
    keys = {
        _trigger("acme/det").checkpoint_key,
        _trigger("acme/other").checkpoint_key,
        _trigger("acme/det", release_notes="x").checkpoint_key,
        _trigger("acme/det", newer_than=3).checkpoint_key,
        _trigger("acme/det", wriftai_conn_id="other").checkpoint_key,
    }
    assert len(keys) == 5


def test_without_a_store_a_trigger_has_no_shared_stream() -> None:
    assert _trigger("acme/det").shared_stream_key() is None
