"""Several tasks that publish the same image at the same moment, with ``on_duplicate="delete_own"``.

One task runs at a time. A fault switches to another task or kills the current one, so the schedules of two faults cover
all interleavings with two switches.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_wriftai.client.errors import WriftAIError
from airflow_provider_wriftai.domain.publishing.errors import VersionExistsError
from airflow_provider_wriftai.domain.publishing.outcome import PublishResult
from airflow_provider_wriftai.domain.sansio import Batch, Operations, Pause

from .nemesis import Nemesis
from .service import DIGEST, Service
from .workload import Configuration, Task

_QUIET = Nemesis((), is_over=True)


@dataclass
class Publisher:
    """One of the tasks, executed step by step.

    Attributes:
        has_ended: Whether the task has a result or an error.
        result: The result, if the task succeeded.
        error: The error, if the task failed.
        kills: How many tries were killed.
    """

    name: str
    task: Task
    has_ended: bool = False
    result: PublishResult | None = None
    error: WriftAIError | None = None
    kills: int = 0
    _operations: Operations[PublishResult] = field(init=False)
    _next: Any = field(init=False)

    def __post_init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        number = self.kills + 1
        self.task.name = f"{self.name}#{number}"
        self.task.store.current = number
        self._operations = self.task.begin(number)
        self._next = None
        self._resume(None)

    def _resume(self, value: Any) -> None:
        try:
            if isinstance(value, WriftAIError):
                self._next = self._operations.throw(value)
            else:
                self._next = self._operations.send(value)
        except StopIteration as stop:
            self.has_ended, self.result = True, stop.value
        except WriftAIError as error:
            self.has_ended, self.error = True, error

    @property
    def changes_something(self) -> bool:
        """Whether the next step creates or deletes a version."""
        return getattr(self._next, "method", "GET") != "GET"

    def step(self) -> None:
        """Execute the next step."""
        match self._next:
            case Pause(seconds=seconds):
                self.task.service.advance(seconds)
                self._resume(None)
            case Batch(operations=batch):
                self._resume([self.task.attempt(each) for each in batch])
            case operation:
                self._resume(self.task.attempt(operation))

    def kill(self, *, after_request: bool) -> None:
        """Kill the process, and start the next try."""
        if after_request:
            self.task.attempt(self._next)
        self._operations.close()
        self.kills += 1
        self._begin()


def run_publishers(configuration: Configuration, count: int, nemesis: Nemesis) -> Iterator[str]:
    """Run several tasks under one schedule, and check them.

    Yields:
        A description of each problem.
    """
    service = Service(configuration.generation, configuration.digests)
    publishers = [Publisher("abc"[n], Task(configuration, service, _QUIET)) for n in range(count)]
    current = publishers[0]
    while running := [publisher for publisher in publishers if not publisher.has_ended]:
        if current.has_ended:
            current = running[0]
        others = [f"switch to {publisher.name}" for publisher in running if publisher is not current]
        kills = ("die", "die, done") if current.changes_something else ("die",)
        fault = nemesis.choose((*others, *kills))
        if fault.startswith("switch to"):
            current = next(publisher for publisher in running if fault.endswith(publisher.name))
        elif fault:
            current.kill(after_request=fault == "die, done")
            continue
        current.step()
    yield from _check(service, publishers)


def _check(service: Service, publishers: list[Publisher]) -> Iterator[str]:
    left = [row for row in service.rows if row.digest == DIGEST]
    if not left:
        yield "no version is left"
    creators = {row.number: row.creator for row in service.created}
    for number, deleted_by in service.deleted:
        if creators[number] != deleted_by:
            yield f"{deleted_by} deleted {number}, which {creators[number]} had created"
    for publisher in publishers:
        if publisher.result is not None and service.row_of(publisher.result.version.reference) is None:
            yield f"{publisher.name} returned {publisher.result.version.reference}, which does not exist"
        if publisher.error is not None and not isinstance(publisher.error, VersionExistsError):
            yield f"{publisher.name} failed: {publisher.error!r}"
    if not any(publisher.kills for publisher in publishers) and len(left) > 1:
        yield f"{len(left)} versions are left"
