"""The budget of requests that a token has, as far as the service's responses tell it."""

from __future__ import annotations

import hashlib
import logging
import random
import threading
import time
from datetime import UTC, datetime, timedelta

from airflow_provider_wriftai.client.response import Response, read_http_date

log = logging.getLogger(__name__)

LONGEST_WAIT = 60.0
"""Seconds after which a request is tried whatever the headers said."""

_FIRST_UNIX_TIME = 1_000_000_000
_JITTER = 0.05
_CLOCKS_AGREE = timedelta(seconds=2)


class Budget:
    """What one token may still send from this process.

    When a response says that nothing remains, the next request waits for the reset instead of
    earning a 429. Safe to share between threads and event loops: it never sleeps itself.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._remaining: int | None = None
        self._opens_at = 0.0

    def reserve(self) -> float:
        """Take one request out of the budget.

        Returns:
            0 when the request may be sent now; else the seconds to wait before asking again.
        """
        with self._lock:
            wait = self._opens_at - time.monotonic()
            if wait > 0:
                # Spread out, so that those who wait together do not all come back at once.
                return wait + random.uniform(0, _JITTER)  # noqa: S311
            if self._remaining == 0:
                self._remaining = None
            if self._remaining is not None:
                self._remaining -= 1
            return 0.0

    def learn(self, response: Response) -> None:
        """Take over what a response says about the budget."""
        remaining = _read_number(response.headers.get("x-ratelimit-remaining"))
        if response.status == 429:
            remaining = 0
        elif remaining is None:
            return
        wait = seconds_until_retry(response) if remaining <= 0 else None
        with self._lock:
            self._remaining = max(int(remaining), 0)
            if wait is not None:
                self._opens_at = max(self._opens_at, time.monotonic() + wait)
                if wait > 1:
                    log.info("The token's budget of requests is used up; waiting %.1f s for its reset.", wait)


_budgets: dict[tuple[str, str], Budget] = {}
_budgets_lock = threading.Lock()


def budget_of(base_url: str, access_token: str | None) -> Budget:
    """Find the budget that everything with this token shares in this process."""
    key = (base_url, hashlib.sha256((access_token or "").encode()).hexdigest())
    with _budgets_lock:
        return _budgets.setdefault(key, Budget())


def seconds_until_retry(response: Response) -> float | None:
    """Read when the service wants to be asked again.

    ``Retry-After`` counts seconds or is a date (RFC 9110, section 10.2.3). ``x-ratelimit-reset`` is a
    Unix time on the API and a number of seconds on the service's registry.

    Returns:
        Seconds from now, between 0 and ``LONGEST_WAIT``; None where nothing readable was said.
    """
    now = _now(response)
    retry_after = response.headers.get("retry-after")
    seconds = _read_number(retry_after)
    if seconds is None and retry_after:
        date = read_http_date(retry_after)
        seconds = (date - now).total_seconds() if date else None
    if seconds is None:
        seconds = _read_number(response.headers.get("x-ratelimit-reset"))
        if seconds is not None and seconds >= _FIRST_UNIX_TIME:
            seconds -= now.timestamp()
    return None if seconds is None else min(max(seconds, 0.0), LONGEST_WAIT)


def _now(response: Response) -> datetime:
    # The service's clock counts whole seconds only; it is the better one just where ours is wrong.
    here, there = datetime.now(UTC), response.date
    return there if there is not None and abs(here - there) > _CLOCKS_AGREE else here


def _read_number(text: str | None) -> float | None:
    try:
        number = float(text) if text else None
    except ValueError:
        return None
    return number if number is not None and abs(number) < float("inf") else None
