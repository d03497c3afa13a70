"""An estimate of the service's clock from its responses."""

from __future__ import annotations

import time
from datetime import datetime


class ServiceClock:
    """How far the service's clock is ahead of ours.

    It is compared with the monotonic clock, so that setting the machine's clock changes nothing once a response has
    been seen. Until the responses rule that out, the service's time is assumed to be the machine's.
    """

    def __init__(self) -> None:
        # Bounds of the service's Unix time minus our monotonic time.
        self._least = float("-inf")
        self._most = float("inf")

    def update(self, date: datetime | None, resets_at: float | None, *, waited: float) -> None:
        """Learn from a response.

        Args:
            date: Its ``Date``: in whole seconds, and refreshed by some servers only once a second.
            resets_at: A Unix time that had not come yet when the response was made.
            waited: Seconds between sending the request and receiving the response.
        """
        received = time.monotonic()
        sent = received - waited
        if date is not None:
            self._bound(date.timestamp() - received, date.timestamp() + 2 - sent)
        if resets_at is not None:
            self._bound(float("-inf"), resets_at - sent)

    def _bound(self, least: float, most: float) -> None:
        if least > self._most or most < self._least:
            # A clock was set, so the old bounds are void. A reset bounds the time from above only; even one that passed
            # seconds ago bounds it that well.
            self._least, self._most = (least if least > float("-inf") else most), most
        else:
            self._least, self._most = max(self._least, least), min(self._most, most)

    def ahead(self) -> float:
        """Return the service's Unix time minus our monotonic time."""
        return min(max(time.time() - time.monotonic(), self._least), self._most)

    def time(self) -> float:
        """Return the service's Unix time."""
        return time.monotonic() + self.ahead()
