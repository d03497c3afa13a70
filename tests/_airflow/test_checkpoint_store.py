from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_wriftai._airflow.checkpoint_store import CheckpointStore
from airflow_provider_wriftai.client.backoff import Backoff
from airflow_provider_wriftai.client.references import parse_version
from airflow_provider_wriftai.client.version import VersionRecord
from airflow_provider_wriftai.domain.waiting.event_stream import Checkpoint
from airflow_provider_wriftai.domain.watermark import Watermark

SERVICE = "https://api.example/v1"


class Store:
    """An asset's state store, shared by the triggerers that use it."""

    def __init__(self) -> None:
        self.value: Any = None
        self.history: list[Any] = []
        self.failures: list[Exception] = []

    async def aget(self, key: str, /) -> Any:
        if self.failures:
            raise self.failures.pop(0)
        return self.value

    async def aset(self, key: str, value: Any, /) -> None:
        if self.failures:
            raise self.failures.pop(0)
        self.value = json.loads(json.dumps(value))
        self.history.append(self.value)


def _triggerer(store: Store) -> CheckpointStore:
    return CheckpointStore(store, "checkpoint", Backoff(0.0))


def _at(number: int, service: str = SERVICE) -> Checkpoint:
    return Checkpoint(service, Watermark(number=number))


def _version(number: int) -> VersionRecord:
    return VersionRecord(parse_version(f"acme/det:{number}"))


def _ids(*ids: str) -> Checkpoint:
    oldest = datetime(2026, 1, 1, tzinfo=UTC)
    return Checkpoint(SERVICE, Watermark(known=frozenset(map(parse_version, ids)), oldest=oldest))


def test_a_replaced_triggerer_does_not_move_the_checkpoint_back() -> None:
    async def work() -> None:
        store = Store()
        suspended = _triggerer(store)
        assert await suspended.load() is None
        await suspended.save(_at(5))
        other = _triggerer(store)
        assert await other.load() == _at(5)
        await other.save(_at(14))
        # The suspended triggerer is at version 6, and learns that all versions up to 14 were delivered.
        assert await suspended.is_delivered(_version(6), SERVICE)
        assert not await suspended.is_delivered(_version(15), SERVICE)
        await suspended.save(_at(6))
        assert Checkpoint.from_json(store.value) == _at(14)
        await other.save(_at(15))
        assert Checkpoint.from_json(store.value) == _at(15)

    asyncio.run(work())


# Which of two triggerers advances, and by how many versions.
progress = st.lists(st.tuples(st.booleans(), st.integers(1, 5)), max_size=30)


def _save_in_turn(steps: list[tuple[bool, int]], checkpoint_at: Callable[[int], Checkpoint]) -> list[dict[str, Any]]:
    """Save the checkpoints of two triggerers in turn, and return all stored values in order."""

    async def work() -> None:
        reached = {True: 0, False: 0}
        for is_first, count in steps:
            reached[is_first] += count
            await triggerers[is_first].save(checkpoint_at(reached[is_first]))

    store = Store()
    triggerers = {True: _triggerer(store), False: _triggerer(store)}
    asyncio.run(work())
    return store.history


@given(progress)
def test_with_two_triggerers_the_checkpoint_never_moves_back(steps: list[tuple[bool, int]]) -> None:
    numbers = [value["number"] for value in _save_in_turn(steps, _at)]
    assert numbers == sorted(numbers)


@given(progress)
def test_with_two_triggerers_no_id_is_forgotten(steps: list[tuple[bool, int]]) -> None:
    history = _save_in_turn(steps, lambda reached: _ids(*(f"v{number}" for number in range(reached + 1))))
    sizes = [len(value["known"]) for value in history]
    assert sizes == sorted(sizes)


def test_the_ids_of_one_triggerer_do_not_accumulate() -> None:
    async def work() -> None:
        store = Store()
        alone = _triggerer(store)
        for number in range(200):
            await alone.save(_ids(*(f"v{each}" for each in range(number, number + 50))))
        assert len(store.value["known"]) == 50

    asyncio.run(work())


def test_a_checkpoint_of_another_service_is_replaced() -> None:
    async def work() -> None:
        store = Store()
        before = _triggerer(store)
        await before.save(_at(500))
        after = _triggerer(store)
        await after.load()
        assert not await after.is_delivered(_version(3), "https://other.example/v1")
        await after.save(_at(3, "https://other.example/v1"))
        assert Checkpoint.from_json(store.value) == _at(3, "https://other.example/v1")

    asyncio.run(work())


def test_a_failing_store_does_not_end_the_stream(caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        store = Store()
        store.value = _at(7).to_json()
        store.failures = [RuntimeError("busy"), json.JSONDecodeError("garbled", "", 0)]
        triggerer = _triggerer(store)
        assert await triggerer.load() == _at(7)
        store.failures = [RuntimeError("busy")]
        assert not await triggerer.is_delivered(_version(3), SERVICE)
        store.failures = [RuntimeError("busy")]
        await triggerer.save(_at(8))
        assert Checkpoint.from_json(store.value) == _at(7)
        await triggerer.save(_at(9))
        assert Checkpoint.from_json(store.value) == _at(9)

    asyncio.run(work())
    assert caplog.text.count("Cannot read the checkpoint.") == 2
    assert "Cannot move the checkpoint." in caplog.text


def test_an_asset_without_a_store_of_its_own_has_no_checkpoint() -> None:
    async def work() -> Checkpoint | None:
        store = Store()
        store.value = _at(7).to_json()
        # Airflow raises this if several assets share the trigger.
        store.failures = [ValueError("Task has 2 concrete inlets")]
        return await _triggerer(store).load()

    assert asyncio.run(work()) is None


BROKEN: list[Callable[[dict[str, Any]], Any]] = [
    lambda _: "nonsense",
    lambda _: 7,
    lambda value: {**value, "number": "x"},
    lambda value: {**value, "service": None},
    lambda value: {name: value[name] for name in value if name != "service"},
]


@pytest.mark.parametrize("damage", BROKEN)
def test_a_damaged_checkpoint_is_ignored(damage: Any, caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> Checkpoint | None:
        store = Store()
        store.value = damage(_at(7).to_json())
        return await _triggerer(store).load()

    with caplog.at_level(logging.ERROR):
        assert asyncio.run(work()) is None
    assert "The stored checkpoint is invalid" in caplog.text
