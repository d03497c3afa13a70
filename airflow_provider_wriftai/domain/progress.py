"""Log the progress of long work at intervals."""

from __future__ import annotations

import logging
from collections.abc import Callable

log = logging.getLogger(__name__)

INTERVAL = 10.0
"""Seconds between two lines in the log."""


class Progress:
    """Counts what is done, and logs it every ten seconds with the rate and the time remaining.

    Args:
        total: How much there is to do.
        label: What is done with what, such as ``Deleted versions``.
        clock: Returns seconds.
    """

    def __init__(self, total: int, label: str, clock: Callable[[], float]) -> None:
        self._total = total
        self._label = label
        self._clock = clock
        self._done = 0
        self._began = self._logged = clock()

    def step(self) -> bool:
        """Count one more, and return whether it was logged."""
        self._done += 1
        now = self._clock()
        if now - self._logged < INTERVAL:
            return False
        self._logged = now
        rate = self._done / (now - self._began)
        log.info(
            "%s: %d of %d (%.1f per second, about %.0f s remaining).",
            self._label, self._done, self._total, rate, (self._total - self._done) / rate,
        )  # fmt: skip
        return True
