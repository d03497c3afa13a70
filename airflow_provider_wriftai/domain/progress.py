"""Log the progress of long work at intervals."""

from __future__ import annotations

import logging
from collections.abc import Callable

log = logging.getLogger(__name__)

INTERVAL = 10.0
"""Seconds between two lines in the log."""

LONGEST_INTERVAL = 300.0
"""Seconds to which the interval grows if the total is unknown."""


class Progress:
    """Counts what is done, and logs it at intervals.

    If the total is known, a line comes every ten seconds, with the rate and the time remaining. Otherwise each interval
    is twice as long as the one before, so that work without an end does not fill the log.

    Args:
        total: How much there is to do; None if that is unknown.
        label: What is done with what, such as ``Deleted versions``.
        clock: Returns seconds.
    """

    def __init__(self, total: int | None, label: str, clock: Callable[[], float]) -> None:
        self._total = total
        self._label = label
        self._clock = clock
        self._done = 0
        self._interval = INTERVAL
        self._began = self._logged = clock()

    def step(self) -> bool:
        """Count one more, and return whether it was logged."""
        self._done += 1
        now = self._clock()
        if now - self._logged < self._interval:
            return False
        self._logged = now
        rate = self._done / (now - self._began)
        if self._total is None:
            self._interval = min(2 * self._interval, LONGEST_INTERVAL)
            log.info("%s: %d so far (%.1f per second).", self._label, self._done, rate)
            return True
        log.info(
            "%s: %d of %d (%.1f per second, about %.0f s remaining).",
            self._label, self._done, self._total, rate, (self._total - self._done) / rate,
        )  # fmt: skip
        return True
