"""A task that prunes a model."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

from chaos.checkers.retention import RetentionChecker
from chaos.histories import draw_rules, make_history, names_of
from chaos.scenario import Finding, Kind
from chaos.service import OWNER, Service
from chaos.tasks import Task, TaskResult
from chaos.workloads.workload import Workload


class PruneWorkload(Workload):
    """Prunes a model with a random history by random rules; somebody else may change the model meanwhile."""

    def __init__(self, service: Service, name: str, generation: int, draw: random.Random, versions: int) -> None:
        make_history(service, draw, name, versions, generation)
        history = service.versions(name)
        names = names_of(history, generation)
        self._service = service
        self._rules = draw_rules(draw, history)
        self._checker = RetentionChecker(service, name, generation, self._rules)
        self._checker.try_begins()
        self._disturbance = (draw.choice((0, 1, 3)), draw.choice((0, 1, 3))) if draw.random() < 0.5 else None
        due = sorted(names[each].rpartition(":")[2] for each in self._checker.due)
        self.change = ("DELETE", f"/versions/{draw.choice(due)}$") if due else None
        folder = service.folder / name
        folder.mkdir()
        arguments: dict[str, Any] = {"model": f"{OWNER}/{name}", **self._rules.arguments(names)}
        self.task = Task("prune", arguments, folder)

    def try_begins(self) -> None:
        """Record what is due."""
        # Events of an earlier try must not count for this one.
        self._service.forget()
        self._checker.try_begins()

    def disturb(self) -> None:
        """Publish and delete on behalf of somebody else, once a delete shows that the try has listed the versions."""
        if self._disturbance is not None and self._service.find_event("received", "DELETE"):
            self._checker.disturb(*self._disturbance)
            self._disturbance = None

    def check_returned(self, value: Any, evidence: str) -> tuple[Finding, ...]:
        """Check the return value of a task that must have succeeded; None if it failed."""
        missing = () if value is not None else (Finding(Kind.LOST, evidence),)
        return self._checker.check(value) + missing

    def _check(self, result: TaskResult, connection: Mapping[str, Any]) -> tuple[Finding, ...]:
        findings = self._checker.check(result.value if result.succeeded else None)
        if result.succeeded:
            return findings
        again = self.run_cleared(result, connection)
        if again.succeeded or self._rules.max_deletions is not None:
            return findings + self._checker.check(again.value if again.succeeded else None)
        return findings + self.check_returned(
            None, f"another try did not prune the rest: {again.error}; {result.error}"
        )
