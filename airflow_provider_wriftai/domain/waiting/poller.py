"""One poll for everything in a process that waits on one model.

A ``Poller`` runs as a task of its own for as long as anything waits. It polls when the first of its waits is due, and
shows the result to all of them:

- A wait that is new, or for which something is unresolved, is evaluated against all known versions.
- The others are only evaluated against what is new, which is usually nothing and costs nothing.
- A wait that joins uses the result of the last poll, unless it depends on what exists at this moment.

A poll that fails counts for each wait that is due, so that a wait with a long interval tolerates as long an outage as
it would alone. The task never waits for one of the waits, and yields to the event loop between evaluations, so that
thousands of waits do not block a triggerer.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from airflow_provider_wriftai.client.api import API
from airflow_provider_wriftai.client.errors import WriftAIError
from airflow_provider_wriftai.client.version import VersionRecord
from airflow_provider_wriftai.domain.sansio import Operations, arun
from airflow_provider_wriftai.domain.waiting.errors import WaitFailedError
from airflow_provider_wriftai.domain.waiting.matching import MatchResult, find_all, find_newest
from airflow_provider_wriftai.domain.waiting.version_cache import VersionCache
from airflow_provider_wriftai.domain.waiting.wait import Wait, WaitResult

log = logging.getLogger(__name__)

_RECENT = 1.0
"""Seconds for which the result of a poll is used again."""

_EVALUATED_AT_ONCE = 100
"""Waits that are evaluated before other tasks of the event loop get their turn."""


@dataclass(frozen=True, slots=True)
class WaitMetrics:
    """Receives the figures of waits.

    Attributes:
        count: Counts a poll, by its outcome: ``ok`` or ``failed``.
        gauge: Receives the number of open waits whenever it changes.
    """

    count: Callable[[str], None] = lambda outcome: None
    gauge: Callable[[int], None] = lambda waits: None


class Poller:
    """Polls one model, or one version by its id, for all that wait on it.

    Args:
        api: Sends the requests.
        cache: What is known so far.
        metrics: Receives the outcome of each poll.
    """

    def __init__(self, api: API, cache: VersionCache, metrics: WaitMetrics) -> None:
        self._api = api
        self._cache = cache
        self._metrics = metrics
        self._waits: set[Wait] = set()
        self._new: set[Wait] = set()
        # Those for which something is unresolved: to be evaluated against all versions once more.
        self._unresolved: set[Wait] = set()
        self._next_due = float("inf")
        self._polled_at: float | None = None
        self._failure: WriftAIError | None = None
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def wait(self, wait: Wait) -> WaitResult:
        """Wait until the version appears or the wait is over.

        Returns:
            What was found.

        Raises:
            WaitTimedOutError: It did not appear in time.
            WaitFailedError: Too many polls in a row failed.
            VersionGoneError: It will never exist.
            WriftAIError: What no further poll can fix.
        """
        loop = asyncio.get_running_loop()
        # After a poll that failed there is no result to use, nor for what depends on this very moment.
        uses_last_poll = self._failure is None and not wait.needs_own_poll
        wait.join(loop.time(), self._polled_at if uses_last_poll else None)
        self._waits.add(wait)
        self._new.add(wait)
        self._next_due = min(self._next_due, wait.due)
        self._wake.set()
        if self._task is None or self._task.done():
            # Not in the context of the first wait: what is logged would be attributed to it.
            self._task = loop.create_task(self._run(), context=contextvars.Context())
        try:
            return await wait.result
        finally:
            self._waits.discard(wait)
            self._new.discard(wait)
            self._unresolved.discard(wait)
            if not self._waits:
                await self.close()

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits."""
        return not self._waits

    async def close(self) -> None:
        """Stop polling."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            # Not awaited itself: its cancellation would look like that of the caller.
            await asyncio.wait({task})

    async def _run(self) -> None:
        try:
            while True:
                await self._step()
        except Exception:  # any failure: nothing else would end the waits
            log.exception("Polling %s failed unexpectedly.", self._cache.target)
            for wait in list(self._waits):
                wait.end(WaitFailedError("The poll failed unexpectedly. See the log of the triggerer."))

    async def _step(self) -> None:
        """Poll if that is due; evaluate new waits; or sleep until there is something to do."""
        # Let other tasks of this event loop run first.
        await asyncio.sleep(0)
        self._wake.clear()
        now = asyncio.get_running_loop().time()
        if self._next_due <= now:
            # Not with each wait that joins: among thousands that would take longer than everything else.
            self._next_due = self._first_due()
        if self._next_due <= now:
            await self._poll(now)
        elif self._new and self._failure is None:
            new, self._new = self._new, set()
            await self._evaluate(new, None)
        else:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(self._next_due if self._next_due < float("inf") else None):
                    await self._wake.wait()

    def _first_due(self) -> float:
        return min((wait.due for wait in self._waits), default=float("inf"))

    async def _poll(self, now: float) -> None:
        # Waits that join during the poll are not among these: its request was sent before they began.
        present = set(self._waits)
        fresh: list[VersionRecord] | None = []
        if self._is_outdated(now):
            self._polled_at = now
            try:
                fresh = await arun(self._api, self._cache.refresh())
                self._failure = None
            except WriftAIError as error:
                log.warning("A poll of %s failed. %s", self._cache.target, error)
                self._failure = error
            self._metrics.count("ok" if self._failure is None else "failed")
        if self._failure is None:
            full_search = present if fresh is None else present & (self._new | self._unresolved)
            self._new -= full_search
            self._unresolved -= full_search
            await self._evaluate(full_search & self._waits, None, due_at=now)
            await self._evaluate((present - full_search) & self._waits, fresh, due_at=now)
        else:
            self._count_failure(self._failure, present, now)
        status = f"The last poll failed: {self._failure}" if self._failure is not None else str(self._cache)
        ended = asyncio.get_running_loop().time()
        for wait in list(self._waits):
            wait.record_poll(now, ended, status)
        self._waits = {wait for wait in self._waits if not wait.result.done()}
        self._next_due = self._first_due()

    def _is_outdated(self, now: float) -> bool:
        # A wait whose time is over uses the poll of a moment ago, so that many of them do not send a request each.
        recent = min([_RECENT, *(wait.interval.shortest for wait in self._waits)])
        is_old = self._polled_at is None or now - self._polled_at >= recent
        return is_old or any(wait.needs_own_poll for wait in self._new | self._unresolved)

    @staticmethod
    def _count_failure(error: WriftAIError, waits: Iterable[Wait], due_at: float) -> None:
        """Count a failed poll for those waits that were due, or end those that no further poll can help."""
        for wait in list(waits):
            if wait.due <= due_at or not error.retryable:
                wait.fail(error)

    async def _evaluate(
        self, waits: Iterable[Wait], fresh: list[VersionRecord] | None, *, due_at: float = math.inf
    ) -> None:
        """Search for what each wait is for: among what is new, or at first among all.

        Args:
            waits: The waits.
            fresh: The versions that are new; None for all that are known.
            due_at: Failures count only for waits that are due at this time.
        """
        for count, wait in enumerate(list(waits), start=1):
            is_complete = False
            try:
                is_complete = (await arun(self._api, self._search(wait, fresh))).is_complete
            except WriftAIError as error:
                log.warning("A poll for %s failed. %s", wait.criteria, error)
                if error.retryable:
                    # The list could be read, so others that are due now poll again instead of failing with this wait.
                    self._failure, self._polled_at = error, None
                    self._count_failure(error, [wait], due_at)
                else:
                    # This wait cannot succeed; that says nothing about the others.
                    wait.end(error)
            if wait.result.done():
                self._waits.discard(wait)
            elif not is_complete and wait in self._waits:
                self._unresolved.add(wait)
            if count % _EVALUATED_AT_ONCE == 0:
                await asyncio.sleep(0)

    def _search(self, wait: Wait, fresh: list[VersionRecord] | None) -> Operations[MatchResult]:
        criteria = wait.resolved
        if fresh is None or criteria is None:
            fresh = None
            criteria = yield from self._cache.resolve(wait.criteria, wait.began)
            wait.resolve(criteria)
        if wait.find_all:
            result = yield from find_all(self._cache, criteria)
        else:
            result = yield from find_newest(self._cache, criteria, fresh)
        wait.succeed(criteria, result)
        return result
