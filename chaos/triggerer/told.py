"""The events of versions, held against what was published, and the moments at which the triggerer was killed."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scenario import Finding, Kind

Ask = Callable[[str], list[Any]]


@dataclass(frozen=True, slots=True)
class Told:
    """What Airflow has stored of a model's events at some moment.

    Attributes:
        times: How often each version was told, by its number.
        mark: Up to which number Airflow knows that they are; None where it keeps no mark yet.
        unmarked: Which were told since the triggerer was started last, and are newer than the mark.
        unmarked_for: Seconds since the first of those was stored.
    """

    times: Counter[int]
    mark: int | None
    unmarked: frozenset[int]
    unmarked_for: float


def read(ask: Ask, models: Sequence[str], started_at: float) -> dict[str, Told]:
    """Read it from Airflow's database.

    Args:
        ask: Asks the database.
        models: The models.
        started_at: When the triggerer was started last, in seconds since 1970.
    """
    events: dict[str, list[tuple[int, float]]] = {model: [] for model in models}
    for extra, timestamp in ask("SELECT extra, timestamp FROM asset_event ORDER BY id"):
        payload = read_json(extra).get("payload") or {}
        if payload.get("model") in events:
            events[payload["model"]].append((payload["number"], timestamp.timestamp()))
    marks = {
        uri.removeprefix("wriftai://"): read_json(value)["number"]
        for uri, value in ask(
            "SELECT asset.uri, asset_state_store.value FROM asset_state_store "
            "JOIN asset ON asset.id = asset_state_store.asset_id"
        )
    }
    now, told = time.time(), {}
    for model, known in events.items():
        mark = marks.get(model)
        unmarked = {n: stored for n, stored in known if stored >= started_at and (mark is None or n > mark)}
        waited = now - min(unmarked.values(), default=now)
        told[model] = Told(Counter(number for number, _ in known), mark, frozenset(unmarked), waited)
    return told


def read_json(value: Any) -> Any:
    """Read a JSON column, whatever the database makes of it."""
    while isinstance(value, str | bytes | memoryview):
        value = json.loads(bytes(value) if isinstance(value, memoryview) else value)
    return value


def judge(model: str, published: Sequence[int], finally_told: Told, at_kills: Sequence[Told]) -> tuple[Finding, ...]:
    """Tell what is wrong with the events of a model.

    Args:
        model: The model.
        published: The numbers of the versions that were published.
        finally_told: What was told in the end.
        at_kills: What had been told when the triggerer was dead, each time.
    """
    findings = [
        Finding(Kind.LOST, f"{model}:{number} was never told") for number in published if not finally_told.times[number]
    ]
    for number, times in finally_told.times.items():
        if number not in published:
            findings.append(Finding(Kind.OTHER, f"{model}:{number} was told, and never published"))
        unexplained = times - 1 - explained(number, at_kills)
        if unexplained > 0:
            findings.append(Finding(Kind.DUPLICATED, f"{model}:{number} was told {times} times"))
    return tuple(findings)


def explained(number: int, at_kills: Sequence[Told]) -> int:
    """Count the kills between the storing of a version's event and the moving of the mark: each may tell it again."""
    return sum(number in told.unmarked for told in at_kills)


def told_again(finally_told: Mapping[str, Told]) -> int:
    """Count the events too many."""
    return sum(times - 1 for told in finally_told.values() for times in told.times.values())
