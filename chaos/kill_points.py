"""Kill points: when a process is killed, by elapsed time or by the stage that one of its requests has reached."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from chaos.service import Service

HOLD_SECONDS = 60.0
"""How long the service holds a request while it waits for the process to be killed."""


@dataclass(frozen=True, slots=True)
class KillPoint:
    """A point at which a process is killed or its token is revoked.

    Attributes:
        after: Seconds after the start of the process; None if a request determines the moment.
        method: The method of that request, whose path matches ``path``.
        stage: The stage that the request must have reached.
        execute: When the service executes the request: ``first``, ``last``, or ``never``.
        late: The delay of a request that is executed last, even if the caller is gone.
        action: Whether to kill the process, or to revoke its token.
    """

    after: float | None
    method: str = ""
    path: str = ""
    stage: str = "received"
    execute: str = "first"
    late: float = 0.0
    action: Literal["kill", "revoke"] = "kill"

    def arm(self, service: Service) -> None:
        """Make the service hold the request."""
        if self.after is None:
            is_late = self.execute == "last" or self.action == "revoke"
            timing = {"delay": self.late if is_late else HOLD_SECONDS, "ends_at_hangup": not is_late}
            service.add_faults([{"method": self.method, "path": self.path, "execute": self.execute, **timing}])

    def is_due(self, service: Service, seconds: float) -> bool:
        """Return whether a process that has run for some seconds has reached this point."""
        if self.after is not None:
            return seconds >= self.after
        return service.find_event(self.stage, self.method, self.path) is not None


class Killer:
    """Handles the kill points of one task, in order.

    Attributes:
        revoked: Whether the token was revoked.
    """

    def __init__(self, points: Sequence[KillPoint], service: Service, token: str) -> None:
        self._pending = list(points)
        self._service = service
        self._token = token
        self.revoked = False
        self._arm()

    def is_kill_due(self, seconds: float) -> bool:
        """Return whether to kill a process that has run for some seconds; true once per point that kills."""
        if not self._pending or not self._pending[0].is_due(self._service, seconds):
            return False
        point = self._pending.pop(0)
        if point.action == "revoke":
            self._service.revoke(self._token)
            self.revoked = True
        self._service.forget()
        self._arm()
        return point.action == "kill"

    def _arm(self) -> None:
        if self._pending:
            self._pending[0].arm(self._service)


def draw_point(draw: random.Random, listing: str, change: tuple[str, str] | None, latest: float) -> KillPoint:
    """Draw a kill point of a process that lists versions and, unless ``change`` is None, sends a changing request."""
    if draw.random() < 0.3:
        return KillPoint(after=draw.uniform(0, 0.5))
    if change is None or draw.random() < 0.2:
        return KillPoint(None, "GET", listing, draw.choice(("received", "executed")))
    stage, execute = draw.choice((("received", "never"), ("received", "last"), ("executed", "first")))
    return KillPoint(None, *change, stage, execute, draw.uniform(0.01, latest))
