"""The budget of requests that a token has, as far as the service's responses tell it."""

from __future__ import annotations

import hashlib
import logging
import random
import threading
import time
from collections.abc import Iterator
from datetime import datetime

from airflow_provider_wriftai.client.access_token import AccessToken
from airflow_provider_wriftai.client.response import Response, parse_http_date

log = logging.getLogger(__name__)

LONGEST_WAIT = 60.0
"""Seconds after which a request is tried whatever the headers said."""

_FIRST_UNIX_TIME = 1_000_000_000
_PROBE_PATIENCE = 1.0
_SHORTEST_WAIT_AFTER_429 = 0.1
_SPREAD_PER_WAITER = 0.003
_WIDEST_SPREAD = 1.0
_WAIT_WORTH_TELLING = 2.0


class RateLimiter:
    """What one token may still send from this process.

    Nothing is sent that the service has said it will refuse: while nothing remains, requests wait for the
    reset instead of earning a 429. Where it is not known what remains (at first, and after each reset), one
    request goes ahead alone, and its response tells for the others.

    Safe to share between threads and event loops: it never sleeps itself.
    """

    def __init__(self) -> None:
        # Reentrant: a turn that is given up may be collected while this thread holds it.
        self._lock = threading.RLock()
        self._clock = ServiceClock()
        self._limited: bool | None = None
        self._available = 0
        self._in_flight = 0
        self._waiting = 0
        self._opens_at = 0.0
        self._probed_until = 0.0
        self._exhausted_at = 0.0

    def acquire(self, at_most: float = float("inf")) -> Iterator[float]:
        """Wait for one's turn to send a request, and take it.

        Args:
            at_most: Seconds after which the turn is taken whatever remains.

        Yields:
            Seconds to sleep before going on; after the last of them the request may be sent, and must be
            followed by :meth:`learn` or :meth:`release`.
        """
        wait = self._take()
        if wait <= 0:
            return
        with self._lock:
            self._waiting += 1
        gives_up_at = time.monotonic() + at_most
        try:
            while wait > 0:
                yield min(wait, max(0.0, gives_up_at - time.monotonic()))
                wait = self._take(in_any_case=time.monotonic() >= gives_up_at)
        finally:
            with self._lock:
                self._waiting -= 1

    def _take(self, *, in_any_case: bool = False) -> float:
        with self._lock:
            now = time.monotonic()
            if in_any_case:
                self._in_flight += 1
                return 0.0
            if now < self._opens_at:
                return self._opens_at - now + self._spread()
            if self._limited is not False:
                if self._available <= 0 and now < self._probed_until:
                    return self._spread()
                self._available = max(0, self._available - 1)
                # Once nothing is left, the responses of those on their way tell for the others.
                self._probed_until = now + _PROBE_PATIENCE
            self._in_flight += 1
            return 0.0

    def _spread(self) -> float:
        # The more there are who wait, the wider: together they come back some 300 times a second.
        widest = min(_SPREAD_PER_WAITER * (self._waiting + 1), _WIDEST_SPREAD)
        return random.uniform(widest / 10, widest)  # noqa: S311

    def release(self) -> None:
        """Note that a request ended without a response."""
        with self._lock:
            self._in_flight -= 1

    def update(self, response: Response, sent_at: float) -> float | None:
        """Take over what a response says about the rate_limiter.

        Args:
            response: The response.
            sent_at: When its request was sent, by ``time.monotonic``.

        Returns:
            Seconds after which the service wants to be asked again, where it said so.
        """
        with self._lock:
            now = time.monotonic()
            self._in_flight -= 1
            refused = response.status == 429
            remaining = _read_number(response.headers.get("x-ratelimit-remaining"))
            if remaining is None and not refused:
                if self._limited is None or (response.is_success and sent_at >= self._exhausted_at):
                    self._limited = False
                return None if response.is_success else seconds_until_retry(response, self._clock.time())
            exhausted = refused or (remaining is not None and remaining < 1)
            self._clock.update(response.date, _reset_time(response) if exhausted else None, waited=now - sent_at)
            wait = seconds_until_retry(response, self._clock.time())
            self._limited = True
            if exhausted:
                self._available = 0
                self._exhausted_at = now
                if refused:
                    wait = max(wait, _SHORTEST_WAIT_AFTER_429) if wait is not None else None
                self._close(now, wait)
            elif remaining is not None and sent_at >= self._exhausted_at:
                # What is in flight may be in the service's count already or not: as if not.
                self._available = max(0, int(remaining) - self._in_flight)
            return wait

    def _close(self, now: float, wait: float | None) -> None:
        opens_at = now + (_PROBE_PATIENCE if wait is None else wait)
        if opens_at - max(now, self._opens_at) > _WAIT_WORTH_TELLING:
            log.info("The token's budget of requests is used up; waiting %.1f s for its reset.", opens_at - now)
        self._opens_at = opens_at
        self._probed_until = 0.0


class ServiceClock:
    """The service's clock, as far as its responses bound how far it is ahead of ours.

    Where no difference at all is possible, there is taken to be none.
    """

    def __init__(self) -> None:
        self._least = float("-inf")
        self._most = float("inf")

    def update(self, date: datetime | None, resets_at: float | None, *, waited: float) -> None:
        """Take over what a response tells of the time.

        Args:
            date: Its ``Date``: in whole seconds, and made by some servers only once a second.
            resets_at: A Unix time that had not come yet when the response was made.
            waited: Seconds between sending the request and receiving the response.
        """
        received = time.time()
        sent = received - waited
        if date is not None:
            self._bound(date.timestamp() - received, date.timestamp() + 2 - sent)
        if resets_at is not None:
            self._bound(float("-inf"), resets_at - sent)

    def _bound(self, least: float, most: float) -> None:
        if least > self._most or most < self._least:
            # One of the clocks was set: what was known before is void. A reset, which bounds the time from above only,
            # may also lie a few seconds in the past, and then it tells the time as well as that.
            self._least, self._most = (least if least > float("-inf") else most), most
        else:
            self._least, self._most = max(self._least, least), min(self._most, most)

    def time(self) -> float:
        """The Unix time there now."""
        return time.time() + min(max(0.0, self._least), self._most)


_budgets: dict[tuple[str, str], RateLimiter] = {}
_budgets_lock = threading.Lock()


def rate_limiter_for(base_url: str, token: AccessToken) -> RateLimiter:
    """Find the budget that everything with this token shares in this process."""
    key = (base_url, hashlib.sha256(token.reveal().encode()).hexdigest())
    with _budgets_lock:
        return _budgets.setdefault(key, RateLimiter())


def seconds_until_retry(response: Response, now: float) -> float | None:
    """Read when the service wants to be asked again.

    ``Retry-After`` counts seconds or is a date (RFC 9110, section 10.2.3). ``x-ratelimit-reset`` is a
    Unix time on the API and a number of seconds on the service's registry.

    Args:
        response: The response.
        now: The Unix time by the service's clock.

    Returns:
        Seconds from now, between 0 and ``LONGEST_WAIT``; None where nothing readable was said.
    """
    retry_after = response.headers.get("retry-after")
    seconds = _read_number(retry_after)
    if seconds is None and retry_after:
        date = parse_http_date(retry_after)
        seconds = date.timestamp() - now if date else None
    if seconds is None:
        resets_at = _reset_time(response)
        seconds = _read_number(response.headers.get("x-ratelimit-reset")) if resets_at is None else resets_at - now
    return None if seconds is None else min(max(seconds, 0.0), LONGEST_WAIT)


def _reset_time(response: Response) -> float | None:
    reset = _read_number(response.headers.get("x-ratelimit-reset"))
    return reset if reset is not None and reset >= _FIRST_UNIX_TIME else None


def _read_number(text: str | None) -> float | None:
    try:
        number = float(text) if text else None
    except ValueError:
        return None
    return number if number is not None and abs(number) < float("inf") else None
