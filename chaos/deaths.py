"""When a process is killed: after some time, or when a request of its has come so far."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from lanes import Lane


@dataclass(frozen=True, slots=True)
class Death:
    """One moment.

    Attributes:
        after: Seconds after the start of the process; None where a request says when.
        method: The method of that request.
        path: A regular expression that is searched for in its path.
        stage: How far it has come by then.
        work: When the service carries it out: ``first``, ``last`` or ``never``.
        late: Seconds after which what is carried out last is, whatever became of its caller.
    """

    after: float | None
    method: str = ""
    path: str = ""
    stage: str = "received"
    work: str = "first"
    late: float = 0.0

    def prepare(self, lane: Lane) -> None:
        """Let the request be held up at which the process is to be killed."""
        if self.after is None:
            is_late = self.work == "last"
            delay = self.late if is_late else 60
            lane.hold(method=self.method, path=self.path, work=self.work, delay=delay, ends_at_hangup=not is_late)

    def is_due(self, lane: Lane, seconds: float) -> bool:
        """Tell whether it is time, for a process that was started so many seconds ago."""
        if self.after is not None:
            return seconds >= self.after
        return lane.has_reached(self.stage, self.method, self.path)


class Deaths:
    """The deaths of the processes of one task, one after the other.

    Args:
        deaths: The moments.
        lane: The sandbox that they have to do with.
    """

    def __init__(self, deaths: Iterable[Death], lane: Lane) -> None:
        self._coming = list(deaths)
        self._lane = lane
        self._prepare()

    def is_due(self, seconds: float) -> bool:
        """Tell whether the process that was started so many seconds ago is to be killed now; told once for each."""
        if not self._coming or not self._coming[0].is_due(self._lane, seconds):
            return False
        del self._coming[0]
        self._lane.forget()
        self._prepare()
        return True

    def _prepare(self) -> None:
        if self._coming:
            self._coming[0].prepare(self._lane)
