"""What a real Airflow's database says about the watchers of models."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from tests.support.real_airflow import RealAirflow

_RUNNING = "SELECT id, triggerer_id FROM trigger WHERE classpath LIKE '%.WriftAIVersionPublishedTrigger' ORDER BY id"
_DELIVERED = (
    "SELECT asset.uri, asset_event.extra FROM asset_event JOIN asset ON asset.id = asset_event.asset_id"
    " ORDER BY asset_event.id"
)


def watchers(airflow: RealAirflow) -> dict[int, int | None]:
    """Return the triggers of watchers, and the triggerer that runs each."""
    return {row[0]: row[1] for row in airflow.ask(_RUNNING)}


def delivered(airflow: RealAirflow, uri: str) -> list[str]:
    """Return the versions in the events of an asset, in their order."""
    found = [airflow.read_json(row[1]) for row in airflow.ask(_DELIVERED) if row[0] == uri]
    return [extra.get("payload", extra)["reference"] for extra in found]


def repeated(references: list[str]) -> list[str]:
    return sorted(reference for reference, count in Counter(references).items() if count > 1)


@dataclass
class WatcherSamples:
    """Samples, in a thread of its own, which watchers run and where the checkpoints are.

    Attributes:
        expected: How many watchers there are to be.
        complete: How many samples saw them all running.
        incomplete: How many did not, of those since all ran for the first time.
        triggers: Every trigger that was ever seen.
        checkpoints: The numbers of the one checkpoint, in the order in which they were seen.
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
            f"{len(self.triggers)} triggers were made"
        )

    def _run(self) -> None:
        while not self._stopped.wait(self.every):
            running = watchers(self.airflow)
            self.triggers.update(running)
            if len(running) == self.expected and None not in running.values():
                self.complete += 1
            elif self.complete:
                self.incomplete += 1
            for value in self._stored():
                if isinstance(value, dict) and value.get("number") is not None:
                    self.checkpoints.append(value["number"])

    def _stored(self) -> list[Any]:
        return self.airflow.marks() if self.airflow.has_stores else []
