"""Read the rate limit from a response, whichever headers it uses.

The service sends ``x-ratelimit-limit``, ``-remaining`` and ``-reset``; the reset is a Unix time on its API and a number
of seconds on its registry. A proxy may send ``Retry-After`` (RFC 9110, section 10.2.3) or the IETF's fields:
``RateLimit`` and ``RateLimit-Policy`` as structured fields (``"default";r=3;t=7``), or as older drafts have them
(``limit=5, remaining=3, reset=7``, or one field for each of the three).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from airflow_provider_wriftai.client.response import Response, parse_http_date

LONGEST_WAIT = 60.0
"""Seconds after which a request is tried whatever the headers said."""

_FIRST_UNIX_TIME = 1_000_000_000
"""A reset from this number on is a Unix time; a smaller one is a number of seconds."""

_FURTHEST_RESET = 86_400.0
"""Seconds. A reset further away is a mistake, or in another unit."""

_MOST_REQUESTS = 1_000_000.0
"""Higher counts are cut to this one."""

_PARAMETER = re.compile(r"\b(limit|remaining|reset|r|t|q|w)\s*=\s*(\d{1,15})\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class RateLimitHeaders:
    """The rate limit as one response states it.

    Attributes:
        remaining: How many more requests are allowed now; None where it is not stated.
        limit: How many requests are allowed at once; None where it is not stated.
        resets_at: The Unix time of the reset, by the service's clock.
        resets_in: The seconds until the reset, where they are stated instead of a time.
        interval: The seconds per request that a stated policy allows.
    """

    remaining: float | None = None
    limit: float | None = None
    resets_at: float | None = None
    resets_in: float | None = None
    interval: float | None = None

    @classmethod
    def of(cls, response: Response) -> RateLimitHeaders:
        """Read the headers of a response."""
        headers = response.headers
        fields = _parameters(headers.get("ratelimit"))
        policy = _parameters(headers.get("ratelimit-policy"))
        remaining = _first(
            read_number(headers.get("x-ratelimit-remaining")),
            _least(fields, "r", "remaining"),
            read_number(headers.get("ratelimit-remaining")),
        )
        limit = _first(
            read_number(headers.get("x-ratelimit-limit")),
            _least(fields, "limit"),
            _least(policy, "q"),
            read_number(headers.get("ratelimit-limit")),
        )
        reset = _first(
            read_number(headers.get("x-ratelimit-reset"), highest=True),
            _most(fields, "t", "reset"),
            read_number(headers.get("ratelimit-reset"), highest=True),
        )
        is_time = reset is not None and reset >= _FIRST_UNIX_TIME
        return cls(
            remaining=_within_reason(remaining),
            limit=_within_reason(limit),
            resets_at=reset if is_time else None,
            resets_in=None if is_time else reset,
            interval=_interval(policy),
        )


def seconds_until_retry(response: Response, now: float) -> float | None:
    """Return after how many seconds the service accepts another request.

    Args:
        response: The response.
        now: The Unix time by the service's clock.

    Returns:
        Seconds from now, between 0 and ``LONGEST_WAIT``; None if the response says nothing usable. A time more than
        a day away is not usable: it is a mistake, or in another unit.
    """
    retry_after = response.headers.get("retry-after")
    seconds = read_number(retry_after, highest=True)
    if seconds is None and retry_after:
        date = parse_http_date(retry_after)
        seconds = date.timestamp() - now if date else None
    if seconds is None:
        headers = RateLimitHeaders.of(response)
        seconds = headers.resets_in if headers.resets_at is None else headers.resets_at - now
    return None if seconds is None or seconds > _FURTHEST_RESET else min(max(seconds, 0.0), LONGEST_WAIT)


def read_number(text: str | None, *, highest: bool = False) -> float | None:
    """Read a number; of a header that was sent more than once (``0, 0``), the lowest or the highest one."""
    numbers = []
    for part in (text or "").split(","):
        try:
            number = float(part.partition(";")[0])
        except ValueError:
            return None
        if not abs(number) < float("inf"):
            return None
        numbers.append(number)
    return max(numbers) if highest else min(numbers)


def _within_reason(count: float | None) -> float | None:
    return None if count is None else min(max(count, 0.0), _MOST_REQUESTS)


def _interval(policy: list[tuple[str, float]]) -> float | None:
    quotas, windows = ([number for name, number in policy if name == key] for key in "qw")
    if len(quotas) != len(windows) or not all((*quotas, *windows)):
        return None
    return max((window / quota for quota, window in zip(quotas, windows, strict=True)), default=None)


def _parameters(text: str | None) -> list[tuple[str, float]]:
    return [(name.lower(), float(number)) for name, number in _PARAMETER.findall(text)] if text else []


def _least(parameters: list[tuple[str, float]], *names: str) -> float | None:
    return min((number for name, number in parameters if name in names), default=None)


def _most(parameters: list[tuple[str, float]], *names: str) -> float | None:
    return max((number for name, number in parameters if name in names), default=None)


def _first(*numbers: float | None) -> float | None:
    return next((number for number in numbers if number is not None), None)
