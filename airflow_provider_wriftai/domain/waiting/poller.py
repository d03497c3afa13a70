"""One poll for everything in a process that waits on one model."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import copy
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from airflow_provider_wriftai.client.api import API
from airflow_provider_wriftai.client.common_types import Version
from airflow_provider_wriftai.client.errors import WriftAIError
from airflow_provider_wriftai.client.summary import VersionSummary
from airflow_provider_wriftai.domain.sansio import Operations, arun
from airflow_provider_wriftai.domain.waiting.criteria import START, Criteria
from airflow_provider_wriftai.domain.waiting.errors import WaitFailedError, WaitTimedOutError, ending, is_retryable
from airflow_provider_wriftai.domain.waiting.matching import MatchResult, find_every, find_newest
from airflow_provider_wriftai.domain.waiting.poll_interval import PollInterval
from airflow_provider_wriftai.domain.waiting.version_cache import VersionCache
from airflow_provider_wriftai.domain.watermark import Watermark

log = logging.getLogger(__name__)

TELL_EVERY = 600.0
"""Seconds between two lines in the log of a wait."""

_RECENT = 1.0
_JUDGED_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Found:
    """What a wait has found.

    Attributes:
        versions: The versions, with their details, the oldest first.
        condition: What was waited for, with what the wait began with.
        watermark: Behind what is dealt with, to wait for what is newer.
    """

    versions: list[Version]
    condition: Criteria
    watermark: Watermark


@dataclass(eq=False, slots=True)
class Wait:
    """One wait: what for, and how long.

    Attributes:
        condition: What is waited for.
        pace: How long to wait between looks.
        seconds: Seconds after which the wait is over; one look is made whatever they are.
        most_failures: How many looks in a row may fail; None: any number.
        every: Whether every version is wanted that the condition holds for, or the newest.
        is_one_look: Whether it ends with its first look, whatever that finds.
        tell: Writes a line to the log of the wait.
        found: What was found.
        due: When the next look is due, by the event loop's clock.
        is_evaluated: Whether it was looked for among all versions.
    """

    condition: Criteria
    pace: PollInterval
    seconds: float
    most_failures: int | None = None
    every: bool = False
    is_one_look: bool = False
    tell: Callable[[str], None] = log.info
    found: asyncio.Future[Found] = field(init=False, default_factory=lambda: asyncio.get_running_loop().create_future())
    due: float = field(init=False, default=0.0)
    is_evaluated: bool = field(init=False, default=False)
    _context: contextvars.Context = field(init=False, default_factory=contextvars.copy_context)
    _began: float = field(init=False, default=0.0)
    _ends: float = field(init=False, default=0.0)
    _told: float = field(init=False, default=0.0)
    _looks: int = field(init=False, default=0)
    _failures: int = field(init=False, default=0)

    def begin(self, now: float, polled_at: float | None) -> None:
        """Begin, at a time of the event loop's clock.

        Args:
            now: The time.
            polled_at: When the look was made whose result it can take over; None where there is none.
        """
        self._began = self._told = now
        self._ends = now + self.seconds
        self.due = now if polled_at is None else min(polled_at + self.pace.after(1), self._ends)

    @property
    def needs_a_look_of_its_own(self) -> bool:
        """Whether it has to be known what is there when it begins."""
        return self.condition.newer_than is START

    def succeeded(self, sought: MatchResult) -> None:
        """Note what a look has found."""
        self.is_evaluated, self._failures = True, 0
        if (sought.versions or self.is_one_look) and not self.found.done():
            self.found.set_result(Found(sought.versions, self.condition, sought.watermark))

    def failed(self, now: float, error: WriftAIError) -> None:
        """Note a look that failed; too many in a row end the wait, and so does what no look can mend."""
        self._failures += 1
        what = f"for {self.condition} failed, after {self._spent(now)}"
        if ends := ending(error, self._failures, self.most_failures, what):
            self.end(ends)

    def end(self, error: WriftAIError) -> None:
        """End it with an error."""
        if not self.found.done():
            # A copy, because raising the same one in many tasks would make one traceback of all of theirs.
            self.found.set_exception(copy.copy(error))

    def step(self, began: float, now: float, state: str) -> None:
        """Go on after a poll: count the look where it was due, and end it where its time is over.

        Args:
            began: When the poll began.
            now: When it ended.
            state: How things stand, in a sentence.
        """
        if self.due <= began:
            self._looks += 1
            self.due = min(began + self.pace.after(self._looks), max(self._ends, began))
        if self._ends <= now and (self.is_evaluated or self._failures > 0):
            self.end(WaitTimedOutError(f"{self.condition} was not there in time, after {self._spent(now)}. {state}"))
        elif now - self._told >= TELL_EVERY:
            self._told = now
            self._context.run(self.tell, f"{self.condition} is not there yet, after {self._spent(now)}. {state}")

    def _spent(self, now: float) -> str:
        looks = max(self._looks, 1)
        return f"{now - self._began:.0f} s and {looks} {'look' if looks == 1 else 'looks'}"


class Poller:
    """Looks at one model, or for one id, on behalf of all that wait on it, for as long as any does.

    Args:
        api: What the requests are made with.
        listing: What was seen so far.

    Attributes:
        is_idle: Whether nothing waits.
    """

    def __init__(self, api: API, listing: VersionCache) -> None:
        self._api = api
        self._listing = listing
        self._waits: set[Wait] = set()
        self._new_waits: set[Wait] = set()
        # Those for whom something could not be seen: to be judged among all once more.
        self._unresolved: set[Wait] = set()
        self._next_due = float("inf")
        self._polled_at: float | None = None
        self._failure: WriftAIError | None = None
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def wait(self, wait: Wait) -> Found:
        """Wait.

        Returns:
            What was found.

        Raises:
            WaitTimedOutError: It was not there in time.
            WaitFailedError: Too many looks in a row failed.
            NeverThereError: It will never be there.
            WriftAIError: What no further look can mend.
        """
        loop = asyncio.get_running_loop()
        # Right after a look that failed, or for what depends on this very moment, there is nothing to take over.
        takes_over = self._failure is None and not wait.needs_a_look_of_its_own
        wait.begin(loop.time(), self._polled_at if takes_over else None)
        self._waits.add(wait)
        self._new_waits.add(wait)
        self._next_due = min(self._next_due, wait.due)
        self._woken.set()
        if self._task is None or self._task.done():
            # Not in the context of the first that waits: what is logged would be taken for its.
            self._task = loop.create_task(self._run(), context=contextvars.Context())
        try:
            return await wait.found
        finally:
            self._waits.discard(wait)
            self._new_waits.discard(wait)
            self._unresolved.discard(wait)
            if not self._waits:
                await self.close()

    @property
    def is_idle(self) -> bool:
        return not self._waits

    async def close(self) -> None:
        """Stop looking."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            # Not awaited itself: its cancellation would look like that of whoever closes it.
            await asyncio.wait({task})

    async def _run(self) -> None:
        try:
            while True:
                await self._step()
        except Exception:
            log.exception("The watch on %s broke.", self._listing.target)
            for wait in list(self._waits):
                wait.end(WaitFailedError("The look at the service broke; the triggerer's log has more."))

    async def _step(self) -> None:
        """Poll where that is due; judge who came meanwhile; or sleep until there is something to do."""
        # Whatever comes of it, the others in this event loop get their turn.
        await asyncio.sleep(0)
        self._woken.clear()
        now = asyncio.get_running_loop().time()
        if self._next_due <= now:
            # Not with each that comes: among thousands that would take longer than all the rest.
            self._next_due = min((wait.due for wait in self._waits), default=float("inf"))
        if self._next_due <= now:
            await self._poll(now)
        elif self._new_waits and self._failure is None:
            new_waits, self._new_waits = self._new_waits, set()
            await self._evaluate(new_waits, None)
        else:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(self._next_due if self._next_due < float("inf") else None):
                    await self._woken.wait()

    async def _poll(self, now: float) -> None:
        # Who comes while it is under way is not among these: what is seen was asked for before they came.
        present = set(self._waits)
        fresh: list[VersionSummary] | None = []
        if self._failure is not None or self._is_out_of_date(now):
            self._polled_at = now
            try:
                fresh = await arun(self._api, self._listing.refresh())
                self._failure = None
            except WriftAIError as error:
                log.warning("A look at %s failed: %s", self._listing.target, error)
                self._note_failure(error, present)
        if self._failure is None:
            anew = present if fresh is None else present & (self._new_waits | self._unresolved)
            self._new_waits -= anew
            self._unresolved -= anew
            await self._evaluate(anew & self._waits, None)
            await self._evaluate((present - anew) & self._waits, fresh)
        state = f"The last look failed: {self._failure}" if self._failure is not None else str(self._listing)
        ended = asyncio.get_running_loop().time()
        for wait in list(self._waits):
            wait.step(now, ended, state)
        self._waits = {wait for wait in self._waits if not wait.found.done()}
        self._next_due = min((wait.due for wait in self._waits), default=float("inf"))

    def _is_out_of_date(self, now: float) -> bool:
        # A wait whose time is over takes over what was seen a moment ago, lest each of many asks once more.
        recent = min([_RECENT, *(wait.pace.interval for wait in self._waits)])
        is_old = self._polled_at is None or now - self._polled_at >= recent
        return is_old or any(wait.needs_a_look_of_its_own for wait in self._new_waits | self._unresolved)

    def _note_failure(self, error: WriftAIError, waits: Iterable[Wait]) -> None:
        if is_retryable(error):
            self._failure = error
        now = asyncio.get_running_loop().time()
        for wait in list(waits):
            wait.failed(now, error)

    async def _evaluate(self, waits: Iterable[Wait], fresh: list[VersionSummary] | None) -> None:
        """Operations for each whether what it waits for is there: among what is new, or at first among all."""
        for count, wait in enumerate(list(waits), start=1):
            try:
                sought = await arun(self._api, self._seek(wait, fresh))
            except WriftAIError as error:
                log.warning("A look for %s failed: %s", wait.condition, error)
                self._note_failure(error, [wait])
                is_settled = False
            else:
                wait.succeeded(sought)
                is_settled = sought.is_complete
            if wait.found.done():
                self._waits.discard(wait)
            elif not is_settled and wait in self._waits:
                self._unresolved.add(wait)
            if count % _JUDGED_AT_ONCE == 0:
                await asyncio.sleep(0)

    def _seek(self, wait: Wait, fresh: list[VersionSummary] | None) -> Operations[MatchResult]:
        if fresh is None:
            wait.condition = yield from self._listing.resolve(wait.condition)
        if not wait.every:
            return (yield from find_newest(self._listing, wait.condition, fresh))
        return (yield from find_every(self._listing, wait.condition))
