"""One wait of an event loop: what it is for, when its polls are due, and when it ends."""

from __future__ import annotations

import asyncio
import contextvars
import copy
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from airflow_provider_wriftai.client.errors import WriftAIError
from airflow_provider_wriftai.client.version import VersionRecord
from airflow_provider_wriftai.domain.waiting.criteria import Criteria, ResolvedCriteria
from airflow_provider_wriftai.domain.waiting.errors import FailureLimit, WaitTimedOutError, format_polls
from airflow_provider_wriftai.domain.waiting.matching import MatchResult
from airflow_provider_wriftai.domain.waiting.poll_interval import PollInterval
from airflow_provider_wriftai.domain.watermark import Watermark

log = logging.getLogger(__name__)

LONGEST_PAUSE = 600.0
"""Seconds between two attempts at most while the service or the connection of an endless wait does not work."""

PROGRESS_INTERVAL = 600.0
"""Seconds between two progress lines in the log of a wait."""


class ConnectionChangedError(WriftAIError):
    """The settings of the connection changed during a wait, so the wait goes on with the new ones."""


@dataclass(frozen=True, slots=True)
class WaitResult:
    """The result of a wait.

    Attributes:
        versions: The versions, with their details, oldest first.
        criteria: What was waited for, resolved.
        processed_through: The watermark past what is processed, to wait for what is newer.
        base_url: The base URL of the API that has them.
    """

    versions: list[VersionRecord]
    criteria: ResolvedCriteria
    processed_through: Watermark
    base_url: str = ""


@dataclass(eq=False, slots=True)
class Wait:
    """One wait.

    Attributes:
        criteria: What is waited for. Once resolved, they say what existed when the wait began.
        interval: How long to wait between polls.
        seconds: Seconds after which the wait is over; one poll is made whatever they are.
        max_failures: How many polls in a row may fail; None for no limit.
        find_all: Whether every version that matches is wanted, or the newest.
        single_poll: Whether the wait ends with its first poll, whatever that finds.
        log_progress: Writes a line to the log of the wait.
        connection_was_read: Whether the connection could be read before, here or in the process that began the wait.
        result: What was found.
        due: When the next poll is due, by the clock of the event loop.
        is_evaluated: Whether all known versions were searched for it.
    """

    criteria: Criteria
    interval: PollInterval
    seconds: float
    max_failures: int | None = None
    find_all: bool = False
    single_poll: bool = False
    log_progress: Callable[[str], None] = log.info
    connection_was_read: bool = True
    result: asyncio.Future[WaitResult] = field(
        init=False, default_factory=lambda: asyncio.get_running_loop().create_future()
    )
    due: float = field(init=False, default=0.0)
    is_evaluated: bool = field(init=False, default=False)
    _resolved: ResolvedCriteria | None = field(init=False, default=None)
    _failures: FailureLimit = field(init=False)
    _context: contextvars.Context = field(init=False, default_factory=contextvars.copy_context)
    _began: float = field(init=False)
    _reported: float = field(init=False)
    _polls: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self._failures = FailureLimit(self.max_failures)
        self._began = self._reported = self.due = asyncio.get_running_loop().time()

    @property
    def failures(self) -> int:
        """How many polls in a row have failed."""
        return self._failures.count

    @property
    def began(self) -> float:
        """When the wait began, by the clock of the event loop."""
        return self._began

    @property
    def _ends(self) -> float:
        return self._began + self.seconds

    def join(self, now: float, polled_at: float | None) -> None:
        """Join a poller.

        Args:
            now: The time, by the clock of the event loop.
            polled_at: When the poll was made whose result the wait can use; None if there is none.
        """
        if self.result.done():
            self.result = asyncio.get_running_loop().create_future()
        self.is_evaluated = False
        self.due = now if polled_at is None else min(polled_at + self.interval.after(1), max(self._ends, now))

    @property
    def needs_own_poll(self) -> bool:
        """Whether it has to be known what exists when the wait begins, so that no earlier poll will do."""
        return self._resolved is None and self.criteria.depends_on_start

    @property
    def resolved(self) -> ResolvedCriteria | None:
        """The resolved criteria; None before the first successful poll."""
        return self._resolved

    def resolve(self, criteria: ResolvedCriteria) -> None:
        """Record what the criteria resolve to. They keep it, even if the wait goes on with another connection."""
        self._resolved = criteria
        self.criteria = criteria.as_criteria()

    def succeed(self, criteria: ResolvedCriteria, result: MatchResult) -> None:
        """Record what a poll found."""
        self.is_evaluated = True
        self._failures.reset()
        if (result.versions or self.single_poll) and not self.result.done():
            self.result.set_result(WaitResult(result.versions, criteria, result.processed_through))

    def fail(self, error: Exception, *, tolerate: bool = False) -> None:
        """Record a failed poll; too many in a row end the wait, and so does what no poll can fix.

        Args:
            error: Why it failed.
            tolerate: Whether to count an error that is not retryable, too, rather than to end the wait at once.
        """
        if self._resolved is None:
            # What is published from now on is newer, even if a later poll is the first that works.
            waited = asyncio.get_running_loop().time() - self._began
            self.criteria = self.criteria.began_at(datetime.now(UTC) - timedelta(seconds=waited))
        if ending := self._failures.add(error, str(self.criteria), tolerate=tolerate):
            self.end(ending)

    def end(self, error: WriftAIError) -> None:
        """End the wait with an error."""
        if not self.result.done():
            # A copy: raised in many tasks, one error would collect the tracebacks of all of them.
            self.result.set_exception(copy.copy(error))

    def record_poll(self, began: float, now: float, status: str) -> None:
        """Process the end of a poll: count it if it was due, and end the wait if its time is over.

        Args:
            began: When the poll began.
            now: When it ended.
            status: The state of the poller, as a sentence.
        """
        if self.due <= began:
            self._polls += 1
            self.due = min(began + self.interval.after(self._polls), max(self._ends, began))
        if self._ends <= now and (self.is_evaluated or self._failures.count > 0):
            self.end(
                WaitTimedOutError(
                    f"{self.criteria.subject} did not appear in time, after {self._format_elapsed(now)}. {status}"
                )
            )
        elif now - self._reported >= PROGRESS_INTERVAL:
            self._reported = now
            message = f"{self.criteria.subject} does not exist yet, after {self._format_elapsed(now)}. {status}"
            self._context.run(self.log_progress, message)

    def _format_elapsed(self, now: float) -> str:
        # What the wait spent on a worker, or in a triggerer that was restarted, is not known here.
        return f"{now - self._began:.0f} s and {format_polls(self._polls)} in this triggerer"
