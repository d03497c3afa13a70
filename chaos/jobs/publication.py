"""A task that publishes, and has to make exactly one version."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from control import OWNER, Control
from jobs.job import Job
from scenario import Finding, Kind
from scheduler import Finished, finish
from tasks import DIGEST, Task

SETTLE_SECONDS = 2.5
"""What the service finishes after its caller is gone, it finishes well within this time."""


class Publication(Job):
    """A publication.

    Args:
        control: The sandbox from behind.
        folder: Where the task leaves what it keeps; made.
        name: The model's name.
        mode: What it does about a version that exists.
        remembers: Whether it keeps anything over its tries.
    """

    def __init__(self, control: Control, folder: Path, name: str, mode: str, *, remembers: bool) -> None:
        self._control = control
        self._name = name
        self._other = _task(folder.with_name(f"{folder.name}-other"), name, "reuse", remembers=True)
        super().__init__(_task(folder, name, mode, remembers=remembers))

    def _wrong(self, finished: Finished, connection: Mapping[str, Any]) -> tuple[Finding, ...]:
        there = self._versions()
        if len(there) > 1:
            return (Finding(Kind.DUPLICATED, str(there)),)
        if finished.succeeded:
            is_there = bool(there) and finished.result["reference"] in there[0]
            return () if is_there else (Finding(Kind.LOST, f"returned {finished.result}, there is {there}"),)
        # What keeps nothing over its tries is not cleared but run anew, so that its mode cannot ask for a second one.
        again = self.cleared(finished, connection) if self.task.remembers else finish(self._other, connection)
        finally_there = self._versions()
        found = f"{there}, then {finally_there}: {finished.error}; {again.error}"
        if len(finally_there) > 1:
            return (Finding(Kind.DUPLICATED, found),)
        good = again.succeeded and len(finally_there) == 1 and (not there or there == finally_there)
        return () if good else (Finding(Kind.LOST, found),)

    def _versions(self) -> list[tuple[str, str]]:
        return self._control.versions_of(OWNER, self._name, DIGEST)


def _task(folder: Path, name: str, mode: str, *, remembers: bool) -> Task:
    folder.mkdir()
    arguments: dict[str, Any] = {
        "model": f"{OWNER}/{name}",
        "image": DIGEST,
        "release_notes": f"of {name}",
        "schemas": {"prediction": {"input": {}, "output": {}}},
        "if_exists": mode,
        "settle_seconds": SETTLE_SECONDS,
    }
    return Task("publish", arguments, folder, remembers)
