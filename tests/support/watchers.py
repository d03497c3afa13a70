"""Observe the watchers of models in the database of a real Airflow."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from tests.support.real_airflow import HAS_STORES, RealAirflow

_RUNNING = "SELECT id, triggerer_id FROM trigger WHERE classpath LIKE '%.WriftAIVersionPublishedTrigger' ORDER BY id"
_DELIVERED = (
    "SELECT asset.uri, asset_event.extra FROM asset_event JOIN asset ON asset.id = asset_event.asset_id"
    " ORDER BY asset_event.id"
)


def watcher_triggers(airflow: RealAirflow) -> dict[int, int | None]:
    """Return the ids of the watchers' triggers, and the id of the triggerer that runs each of them."""
    return {row[0]: row[1] for row in airflow.fetch(_RUNNING)}


def delivered_versions(airflow: RealAirflow, uri: str) -> list[str]:
    """Return the references of the versions in the events of an asset, the oldest event first."""
    extras = [airflow.read_json(row[1]) for row in airflow.fetch(_DELIVERED) if row[0] == uri]
    return [extra.get("payload", extra)["reference"] for extra in extras]


def find_duplicates(references: list[str]) -> list[str]:
    return sorted(reference for reference, count in Counter(references).items() if count > 1)


@dataclass
class WatcherSamples:
    """Samples the running watchers and their checkpoints in a background thread.

    Attributes:
        expected: The expected number of watchers.
        complete: How many samples saw all of them running.
        incomplete: How many samples, after the first complete one, did not.
        triggers: The ids of all triggers that any sample saw.
        checkpoints: The version numbers in the checkpoint, in the order of the samples.
    """

    airflow: RealAirflow
    expected: int
    every: float = 0.25
    complete: int = 0
    incomplete: int = 0
    triggers: set[int] = field(default_factory=set)
    checkpoints: list[int] = field(default_factory=list)
    _stopped: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()

    def __str__(self) -> str:
        return (
            f"{self.complete} of {self.complete + self.incomplete} samples saw {self.expected} watchers running; "
            f"{len(self.triggers)} triggers were created"
        )

    def _run(self) -> None:
        while not self._stopped.wait(self.every):
            running = watcher_triggers(self.airflow)
            self.triggers.update(running)
            if len(running) == self.expected and None not in running.values():
                self.complete += 1
            elif self.complete:
                self.incomplete += 1
            for value in self.airflow.checkpoints() if HAS_STORES else ():
                if isinstance(value, dict) and value.get("number") is not None:
                    self.checkpoints.append(value["number"])
