"""The base class of workloads."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

from chaos.scenario import Finding, Kind
from chaos.tasks import MOST_TRIES, Task, TaskResult, run_task


class Workload(ABC):
    """A task on its own model, and the checks of its result.

    Attributes:
        change: The method and path of a request of the task that changes the model; None if there is no such request.
    """

    task: Task
    change: tuple[str, str] | None

    def run(
        self, connection: Mapping[str, Any], is_kill_due: Callable[[float], bool], tries: int = MOST_TRIES
    ) -> TaskResult:
        """Run the task until it ends."""
        return run_task(self.task, connection, tries=tries, before_try=self.try_begins, is_kill_due=is_kill_due)

    def run_cleared(self, result: TaskResult, connection: Mapping[str, Any]) -> TaskResult:
        """Run the task once more, as after a user has cleared it."""
        return run_task(self.task, connection, first=result.tries + 1, tries=1, before_try=self.try_begins)

    def try_begins(self) -> None:  # noqa: B027 - not every workload needs it
        """Prepare the checker before each try."""

    def check(self, result: TaskResult, connection: Mapping[str, Any]) -> tuple[Finding, ...]:
        """Check the result. After a clear error, another try without faults must complete the task."""
        if not result.succeeded and not result.has_clear_error:
            return (Finding(Kind.OTHER, f"no clear error: {result.error}"),)
        return self._check(result, connection)

    @abstractmethod
    def _check(self, result: TaskResult, connection: Mapping[str, Any]) -> tuple[Finding, ...]:
        """Check the result after success or a clear error."""
