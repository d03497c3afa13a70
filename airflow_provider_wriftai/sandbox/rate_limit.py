"""The limit on requests: a bucket of tokens for each caller, and the headers that describe it."""

from __future__ import annotations

import math
import threading
import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limit:
    """Requests a second that flow into a bucket, and how many it holds."""

    per_second: float
    burst: int


class RateLimit:
    """Limits each caller on its own.

    Args:
        signed_in: The limit for a caller with a token; None for none.
        anonymous: The limit for a caller without.
    """

    def __init__(self, signed_in: Limit | None, anonymous: Limit | None) -> None:
        self._signed_in = signed_in
        self._anonymous = anonymous
        self._lock = threading.Lock()
        self._buckets: dict[str, tuple[float, float]] = {}

    def take(self, caller: str, *, signed_in: bool) -> tuple[bool, dict[str, str]]:
        """Take one request out of the caller's bucket.

        Returns:
            Whether there was one, and the response headers: ``x-ratelimit-limit``,
            ``x-ratelimit-remaining`` and ``x-ratelimit-reset`` (the Unix time from which at least one more
            request will be let through).
        """
        limit = self._signed_in if signed_in else self._anonymous
        if limit is None:
            return True, {}
        now = time.monotonic()
        with self._lock:
            level, at = self._buckets.get(caller, (float(limit.burst), now))
            level = min(limit.burst, level + (now - at) * limit.per_second)
            allowed = level >= 1
            level -= allowed
            self._buckets[caller] = (level, now)
        seconds = max(0.0, 1 - level) / limit.per_second
        return allowed, {
            "x-ratelimit-limit": str(limit.burst),
            "x-ratelimit-remaining": str(int(level)),
            # Rounded up: who comes back at this time is let through.
            "x-ratelimit-reset": f"{math.ceil((time.time() + seconds) * 1000) / 1000:.3f}",
        }
