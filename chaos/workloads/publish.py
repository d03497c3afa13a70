"""A task that publishes an image."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chaos.checkers.publishing import check_published
from chaos.scenario import Finding
from chaos.service import OWNER, Service, name_of
from chaos.tasks import Task, TaskResult, run_task
from chaos.workloads.workload import Workload

DIGEST = "sha256:" + "ab" * 32
SETTLE_SECONDS = 2.5
"""The service executes each delayed request well within this time, even if the caller is gone."""


class PublishWorkload(Workload):
    """Publishes an image to an existing model."""

    def __init__(self, service: Service, name: str, generation: int, mode: str, *, has_store: bool) -> None:
        self._service = service
        self._name = name
        self._generation = generation
        self._second = self._task(f"{name}-second", "reuse", has_store=True)
        self.task = self._task(name, mode, has_store=has_store)
        self.change = ("POST", f"/{name}/versions$")

    def _task(self, folder: str, mode: str, *, has_store: bool) -> Task:
        path: Path = self._service.folder / folder
        path.mkdir()
        arguments: dict[str, Any] = {
            "model": f"{OWNER}/{self._name}",
            "image": DIGEST,
            "release_notes": f"of {self._name}",
            "schemas": {"prediction": {"input": {}, "output": {}}},
            "if_exists": mode,
            "settle_seconds": SETTLE_SECONDS,
        }
        return Task("publish", arguments, path, has_store)

    def check_returned(self, value: Any, evidence: str) -> tuple[Finding, ...]:
        """Check the return value of a task that must have succeeded; None if it failed."""
        return check_published(self._service.versions(self._name, DIGEST), value, self._generation, evidence)

    def _check(self, result: TaskResult, connection: Mapping[str, Any]) -> tuple[Finding, ...]:
        before = self._service.versions(self._name, DIGEST)
        if result.succeeded or len(before) > 1:
            return self.check_returned(result.value, result.error)
        # Without a store, mode "create" publishes again after a clear. So a second task, in mode "reuse", must find the
        # version instead.
        again = self.run_cleared(result, connection) if self.task.has_store else run_task(self._second, connection)
        names = [name_of(each, self._generation) for each in before]
        return self.check_returned(again.value, f"{names} before; {result.error}; {again.error}")
