"""A task, and how to tell whether what came of it is right."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

from scenario import Finding, Kind
from scheduler import TRIES, Finished, Start, Try, finish
from tasks import Task


class Job(ABC):
    """A task of this provider, on a model of its own.

    Args:
        task: The task.
    """

    def __init__(self, task: Task) -> None:
        self.task = task

    def finish(
        self,
        connection: Mapping[str, Any],
        *,
        tries: int = TRIES,
        retry_delay: float = 0.0,
        kill_when: Callable[[float], bool] = lambda seconds: False,
        start: Start = Try,
    ) -> Finished:
        """Run it until it has ended: see ``scheduler.finish``."""
        return finish(
            self.task,
            connection,
            tries=tries,
            retry_delay=retry_delay,
            try_begins=self.try_begins,
            kill_when=kill_when,
            start=start,
        )

    def cleared(self, finished: Finished, connection: Mapping[str, Any]) -> Finished:
        """Run it once more, as a user's clear does, where nothing goes wrong any more."""
        return finish(self.task, connection, first=finished.number + 1, tries=1, try_begins=self.try_begins)

    def try_begins(self) -> None:  # noqa: B027 - not every job has something to do
        """Is called before each try."""

    def findings(self, finished: Finished, connection: Mapping[str, Any]) -> tuple[Finding, ...]:
        """Tell what is wrong with what came of it.

        Args:
            finished: How it ended.
            connection: With which nothing goes wrong any more: after a clear error another try has to finish it.
        """
        if not finished.succeeded and not finished.has_clear_error:
            return (Finding(Kind.OTHER, f"no clear error: {finished.error}"),)
        return self._wrong(finished, connection)

    @abstractmethod
    def _wrong(self, finished: Finished, connection: Mapping[str, Any]) -> tuple[Finding, ...]:
        """Tell what is wrong with it where it ended with success or a clear error."""
