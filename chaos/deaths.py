"""When a process is killed: after some time, or when a request of its has come so far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jobs.job import Job
from lanes import Lane
from scenario import Outcome
from scheduler import TRIES


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
            lane.hold(method=self.method, path=self.path, execute=self.work, delay=delay, ends_at_hangup=not is_late)

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

    def __init__(self, deaths: Sequence[Death], lane: Lane) -> None:
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


def outcome_of(
    seed: int, job: Job, deaths: Sequence[Death], lane: Lane, connection: Mapping[str, Any], **notes: float
) -> Outcome:
    """Run a task whose processes die, until it has ended, and tell what came of it.

    Args:
        seed: What the run was drawn from.
        job: The task.
        deaths: When its processes die; each takes a try more.
        lane: The sandbox that it works with.
        connection: The Airflow connection that it uses.
        notes: What else is worth counting, by its name.
    """
    finished = job.finish(connection, kill_when=Deaths(deaths, lane).is_due, tries=TRIES + len(deaths))
    lane.clear()
    return Outcome(
        seed,
        finished.kills,
        clear_errors=finished.has_clear_error,
        error=finished.error,
        findings=job.findings(finished, connection),
        notes={"tries": finished.tries, **notes},
    )
