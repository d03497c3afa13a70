"""A task that waits for a version, and has to find it, or to wait until its time is over."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from control import OWNER, Control
from jobs.job import Job
from scenario import Finding, Kind
from scheduler import Finished
from tasks import Task

_AWAITED = "sha256:" + "cd" * 32


class Wait(Job):
    """A wait for an image's version, of a model that is made for it.

    Args:
        control: The sandbox from behind.
        folder: Where the task leaves what it keeps; made.
        name: The model's name.
        deferrable: Whether a trigger waits.
        seconds: After which it is over.

    Attributes:
        is_deferrable: Whether a trigger waits.
    """

    def __init__(self, control: Control, folder: Path, name: str, *, deferrable: bool, seconds: float = 60.0) -> None:
        self._control = control
        self._name = name
        self._seconds = seconds
        self._is_published = False
        self.is_deferrable = deferrable
        control.add_model(OWNER, name, 3)
        folder.mkdir()
        arguments: dict[str, Any] = {
            "model": f"{OWNER}/{name}",
            "image": _AWAITED,
            "poke_interval": 0.2,
            "timeout": seconds,
            "deferrable": deferrable,
        }
        super().__init__(Task("wait", arguments, folder))

    def publish(self) -> None:
        """Let somebody publish what it waits for."""
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        self._control.add_versions(OWNER, self._name, [(now, "awaited", _AWAITED)])
        self._is_published = True

    def _wrong(self, finished: Finished, connection: Mapping[str, Any]) -> tuple[Finding, ...]:
        if finished.succeeded:
            return self._found_what_is_there(finished)
        last = finished.last
        if last is not None and last.state == "timed out":
            if self._is_published:
                return (Finding(Kind.LOST, f"its version was there in time: {finished.error}"),)
            early = self._seconds - (last.ended - last.began)
            return (Finding(Kind.OTHER, f"it timed out {early:.1f} s early"),) if early > 0 else ()
        if not self._is_published:
            self.publish()
        again = self.cleared(finished, connection)
        if not again.succeeded:
            return (Finding(Kind.LOST, f"another try did not find it: {finished.error}; {again.error}"),)
        return self._found_what_is_there(again)

    def _found_what_is_there(self, finished: Finished) -> tuple[Finding, ...]:
        there = self._control.versions_of(OWNER, self._name, _AWAITED)
        good = len(there) == 1 and finished.result["reference"] in there[0]
        return () if good else (Finding(Kind.LOST, f"found {finished.result}, there is {there}"),)
