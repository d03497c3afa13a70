"""Share one token's request budget between the threads, event loops and processes of a machine.

The service allows a number of requests per second and token, and reports what remains in response headers. A request
first reserves a slot. What the slots are is estimated by ``BucketEstimate``, which is kept in a small locked file that
all processes with this token share (``ReservationClock``), or in this process where there is no such file. The lock is
held only while the estimate is read and written, so a process that dies never blocks another.

The requests of one process queue here, and only the first in the queue reserves. So a process has at most one slot in
the future, processes take turns however many requests each has waiting, and a request that is given up leaves its slot
to the next one. Where a round trip takes longer than a turn, a process that sends one request after the other would
miss turns. So with each request it reserves the slot of the next, and one more for each turn that it missed all the
same.
"""

from __future__ import annotations

import itertools
import logging
import os
import random
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias, TypeVar
from urllib.parse import urlsplit
from weakref import WeakValueDictionary

from airflow_provider_wriftai.client.access_token import AccessToken
from airflow_provider_wriftai.client.backoff import Backoff
from airflow_provider_wriftai.client.bucket_estimate import PROBE_PATIENCE, BucketEstimate, Limited, Observation
from airflow_provider_wriftai.client.private_folder import private_folder
from airflow_provider_wriftai.client.rate_limit_headers import LONGEST_WAIT, RateLimitHeaders, seconds_until_retry
from airflow_provider_wriftai.client.reservation_clock import (
    ClockBusyError,
    ClockUnavailableError,
    ReservationClock,
    clock_name,
)
from airflow_provider_wriftai.client.response import Response
from airflow_provider_wriftai.client.service_clock import ServiceClock

log = logging.getLogger(__name__)

_SHORTEST_WAIT_AFTER_429 = 0.1
"""Seconds of the first backoff after a 429 that states no usable time."""

_LONGEST_PAUSE = 1.0
"""Seconds that a queued request sleeps at most on account of those ahead of it."""

_WAIT_WORTH_LOGGING = 2.0
"""Seconds of waiting that are logged."""

_PAUSE = 0.001
"""Seconds between two checks of the estimate."""

_LONGEST_CHECK = 0.01
"""Seconds between two checks at most while the interval is unknown."""

_OTHERS_FIRST = 1.2
"""How many times ``_LONGEST_CHECK`` a process that had a slot waits, at the beginning, before it reserves again."""

_BUSY_ATTEMPTS = 200
"""Failed attempts to lock the file after which a process stops sharing."""

_ATTEMPTS_TO_LEARN = 10
"""Attempts to lock the file in order to record a response."""

_PAUSE_TO_LEARN = 0.0003
"""Seconds between these attempts."""

_UNSHARED_FOR = 60.0
"""Seconds after which a process tries to share again."""

_SLOT_KEPT_FOR = 0.5
"""Seconds after its time at which an unused slot expires."""

_STEADY_AFTER = 3
"""Requests in a row from which a process reserves ahead."""

_SHORT_BREAK = 0.05
"""Seconds between two requests that still count as in a row."""

SHARING_OFF = "off"
"""The setting with which a process does not share its budget with others."""

T = TypeVar("T")


class RateLimiter:
    """The request budget of one token.

    Nothing is sent that the service has said it will refuse: while nothing remains, requests wait for their slot
    instead of earning a 429. If it is unknown what remains, one request goes ahead alone, and its response decides
    for the others.

    Safe to share between threads and event loops: it never sleeps itself.

    Args:
        clock: What it shares with other processes; None for a budget of this process alone.
    """

    def __init__(self, clock: ReservationClock | None = None) -> None:
        # Reentrant, because an abandoned ``acquire`` may be garbage-collected while this thread holds the lock.
        self._lock = threading.RLock()
        self._service = ServiceClock()
        self._clock = clock
        self._unshared_until = 0.0
        self._bucket = BucketEstimate()
        self._queue: OrderedDict[int, None] = OrderedDict()
        self._tickets = itertools.count()
        self._slots: deque[float] = deque()
        self._in_flight = 0
        self._busy = 0
        self._answered_at = 0.0
        self._trip = 0.0
        self._in_a_row = 0
        self._turn = 0.0
        self._missed_turns = 0.0
        self._others_first_until = 0.0

    def acquire(self, at_most: float = float("inf")) -> Iterator[float]:
        """Wait for permission to send a request.

        Args:
            at_most: Seconds after which the request may be sent, whatever remains.

        Yields:
            Seconds to sleep before going on; after the last of them the request may be sent, and must be
            followed by :meth:`update` or :meth:`release`.
        """
        began = time.monotonic()
        gives_up_at = began + at_most
        ticket = next(self._tickets)
        try:
            with self._lock:
                self._in_a_row = self._in_a_row + 1 if began - self._answered_at <= _SHORT_BREAK else 0
                while not self._queue and self._slots and self._slots[0] < began - _SLOT_KEPT_FOR:
                    self._slots.popleft()
                self._queue[ticket] = None
            while (wait := self._wait(ticket)) > 0:
                yield min(wait, max(0.0, gives_up_at - time.monotonic()))
                if time.monotonic() >= gives_up_at:
                    break
            with self._lock:
                self._in_flight += 1
        finally:
            self._leave(ticket)

    def _wait(self, ticket: int) -> float:
        """Return the seconds until the next attempt; 0 once it is the ticket's turn."""
        with self._lock:
            if self._bucket.limited == Limited.NO:
                # Overtake those ahead, which may still sleep: when they came, the limit was unknown.
                del self._queue[ticket]
                return 0.0
            now = time.monotonic()
            first = next(iter(self._queue))
            if ticket != first:
                ahead = (ticket - first - 1) * max(self._bucket.interval, _PAUSE)
                slot = self._slots[0] if self._slots else now
                return max(0.0, slot - now) + min(ahead, _LONGEST_PAUSE) + self._pause()
            if self._slots and self._bucket.closed_until > max(self._slots[0], now) + PROBE_PATIENCE:
                # A refusal came after it was reserved.
                self._slots.clear()
            if not self._slots:
                if (others_first := self._others_first_until - now) > 0:
                    return others_first
                reserved, at = self._reserve(now)
                if not reserved:
                    return max(0.0, at - now) + self._pause()
                self._slots.append(at)
                self._let_others_go_first(now)
            if self._slots[0] > now:
                return self._slots[0] - now
            del self._queue[ticket]
            self._reserve_ahead(now, late=now - self._slots.popleft())
            return 0.0

    def _reserve_ahead(self, now: float, late: float) -> None:
        """Reserve what a process that sends one request after the other would lose to those with several at once.

        Args:
            now: The time.
            late: Seconds after its slot at which this request goes.
        """
        interval = self._bucket.interval
        if self._queue or self._in_a_row < _STEADY_AFTER or not 0 < interval < self._trip:
            self._missed_turns = 0.0
            return
        self._missed_turns += late / max(self._turn, interval)
        wanted = 1
        if self._missed_turns >= 1:
            wanted = 2
            self._missed_turns = min(self._missed_turns - 1, 1.0)
        while len(self._slots) < wanted:
            reserved, at = self._reserve(now)
            if not reserved:
                return
            self._slots.append(at)
        self._turn = self._slots[0] - now

    def _leave(self, ticket: int) -> None:
        with self._lock:
            self._queue.pop(ticket, None)

    def _pause(self) -> float:
        """Return how long to wait for an event without a known time, such as the response to a request that went ahead.

        It is random, so that a process with many requests does not take all that remains before another one checks, and
        longer for a process that has had its turn.
        """
        if self._bucket.interval:
            return _PAUSE
        return (random.uniform(0.2, 1) + (_OTHERS_FIRST if self._others_first_until else 0)) * _LONGEST_CHECK  # noqa: S311

    def _let_others_go_first(self, now: float) -> None:
        """At the beginning, while slots are not given out in turn yet, let processes that wait already reserve before
        this one does again."""
        bucket = self._bucket
        is_shared = self._clock is not None and now >= self._unshared_until
        # Not for longer: under a high limit it could be what keeps the bucket from ever being empty.
        is_beginning = bucket.limited == Limited.YES and not bucket.interval and bucket.accepted < 3 * bucket.burst
        self._others_first_until = now + _OTHERS_FIRST * _LONGEST_CHECK if is_shared and is_beginning else 0.0

    def _reserve(self, now: float) -> tuple[bool, float]:
        try:
            reserved = self._change(now, lambda bucket: bucket.reserve(now))
        except ClockBusyError:
            self._busy += 1
            if self._busy < _BUSY_ATTEMPTS:
                return False, now + _PAUSE
            self._stop_sharing(now, "Another process does not release its lock.")
            reserved = self._bucket.reserve(now)
        self._busy = 0
        return reserved

    def release(self) -> None:
        """Record that a request ended without a response."""
        with self._lock:
            self._in_flight -= 1
            now = self._answered_at = time.monotonic()
            if not self._bucket.interval and self._bucket.limited != Limited.NO:
                self._learn(now, BucketEstimate.stop_waiting_for_probe)

    def update(self, response: Response, sent_at: float) -> float | None:
        """Learn from a response.

        Args:
            response: The response.
            sent_at: When its request was sent, by ``time.monotonic``.

        Returns:
            Seconds after which the service accepts another request, if it said so.
        """
        with self._lock:
            self._in_flight -= 1
            now = self._answered_at = time.monotonic()
            self._trip = now - sent_at
            headers = RateLimitHeaders.of(response)
            refused = response.status == 429
            if headers.remaining is None and not refused:
                if self._bucket.limited == Limited.UNKNOWN or (
                    self._bucket.limited == Limited.YES and response.is_success
                ):
                    self._learn(now, lambda bucket: bucket.observe(Observation(sent_at, now)))
                return None if response.is_success else seconds_until_retry(response, self._service.time())
            exhausted = refused or (headers.remaining is not None and headers.remaining < 1)
            self._service.update(response.date, headers.resets_at if exhausted else None, waited=now - sent_at)
            wait = seconds_until_retry(response, self._service.time())
            resets_at = self._resets_at(headers, now)
            observation = Observation(
                sent_at=sent_at,
                received_at=now,
                refused=refused,
                remaining=headers.remaining,
                resets_at=resets_at,
                reset=None if resets_at is None else headers.resets_at or resets_at,
                limit=headers.limit,
                interval=headers.interval,
                in_flight=self._in_flight,
            )

            if not exhausted:
                self._learn(now, lambda bucket: bucket.observe(observation))
                self._let_others_go_first(now)
                return wait

            def learn(bucket: BucketEstimate) -> tuple[float, float]:
                bucket.observe(observation)
                closed_for = _closed_for(wait, int(bucket.refusals) if refused else 0)
                was_closed_for = max(0.0, bucket.closed_until - now)
                bucket.close(now + closed_for)
                return closed_for, was_closed_for

            closed_for, was_closed_for = self._learn(now, learn)
            self._let_others_go_first(now)
        if closed_for - was_closed_for > _WAIT_WORTH_LOGGING:
            log.info("The token's request budget is used up. Waiting %.1f s for its reset.", closed_for)
        return None if wait is None else closed_for

    def _resets_at(self, headers: RateLimitHeaders, now: float) -> float | None:
        if headers.resets_at is not None:
            resets_at = headers.resets_at - self._service.ahead()
        elif headers.resets_in is not None:
            resets_at = now + headers.resets_in
        else:
            return None
        return resets_at if resets_at <= now + LONGEST_WAIT else None

    def _learn(self, now: float, change: Callable[[BucketEstimate], T]) -> T:
        for _ in range(_ATTEMPTS_TO_LEARN):
            try:
                return self._change(now, change)
            except ClockBusyError:
                time.sleep(_PAUSE_TO_LEARN)
        # It is an estimate, which the next response corrects as well.
        return change(self._bucket)

    def _change(self, now: float, change: Callable[[BucketEstimate], T]) -> T:
        if self._clock is not None and now >= self._unshared_until:
            try:
                with self._clock.locked() as bucket:
                    result = change(bucket)
            except ClockUnavailableError as error:
                self._stop_sharing(now, str(error))
            else:
                self._bucket = bucket
                return result
        return change(self._bucket)

    def _stop_sharing(self, now: float, why: str) -> None:
        if not self._unshared_until:
            log.debug("This process does not share its request budget with other processes. %s", why)
        self._unshared_until = now + _UNSHARED_FOR


def _closed_for(wait: float | None, refusals: int) -> float:
    """Return the seconds for which nothing is sent.

    Args:
        wait: The seconds that the service stated; None if it stated none that can be used.
        refusals: How many requests were refused in a row, the last response included.
    """
    closed_for = PROBE_PATIENCE if wait is None else wait
    if refusals > 1 or (refusals and not wait):
        closed_for = max(closed_for, Backoff(_SHORTEST_WAIT_AFTER_429, 2, LONGEST_WAIT).delay(refusals))
    return min(closed_for, LONGEST_WAIT)


_MOST_KEPT = 32
_Key: TypeAlias = tuple[int, str, str, str]
_limiters: WeakValueDictionary[_Key, RateLimiter] = WeakValueDictionary()
_kept: OrderedDict[_Key, RateLimiter] = OrderedDict()
_limiters_lock = threading.Lock()


def rate_limiter_for(base_url: str, token: AccessToken, sharing: str | None = None) -> RateLimiter:
    """Return the rate limiter that everything with this token shares in this process.

    A limiter in use is shared by all callers. Of unused limiters, the 32 used last are kept.

    Args:
        base_url: The API's base URL. All paths of a host share a budget.
        token: The access token.
        sharing: ``"off"`` for a budget of this process alone; or the folder through which the processes of a machine
            share the budget, in a folder of its own for each user; None or empty for the user's runtime or temporary
            folder.
    """
    parts = urlsplit(base_url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    origin = f"{parts.scheme}://{parts.hostname}:{port}"
    name = clock_name(origin, token)
    # A process that was forked has none of the requests that wait in the limiters of the one before.
    key = (os.getpid(), origin, name, sharing or "")
    with _limiters_lock:
        limiter = _limiters.get(key)
        if limiter is None:
            folder = private_folder(Path(sharing) if sharing else None)
            limiter = RateLimiter(None if sharing == SHARING_OFF else ReservationClock(folder, name))
            _limiters[key] = limiter
        _kept[key] = limiter
        _kept.move_to_end(key)
        while len(_kept) > _MOST_KEPT:
            _kept.popitem(last=False)
        return limiter
