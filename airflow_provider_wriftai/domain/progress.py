"""How far long work has come, told in the log from time to time."""

from __future__ import annotations

import logging
from collections.abc import Callable

log = logging.getLogger(__name__)

_EVERY = 10.0


class Progress:
    """Counts what is done, and tells it every ten seconds.

    Args:
        total: How much there is to do.
        done: What is done with each, in the past tense.
        clock: Tells seconds.
    """

    def __init__(self, total: int, done: str, clock: Callable[[], float]) -> None:
        self._total = total
        self._word = done
        self._clock = clock
        self._done = 0
        self._began = self._told = clock()

    def step(self) -> None:
        """Count one more."""
        self._done += 1
        now = self._clock()
        if now - self._told >= _EVERY:
            self._told = now
            rate = self._done / (now - self._began)
            left = self._total - self._done
            log.info(
                "%d of %d %s, %.1f a second, about %.0f s to go.",
                self._done, self._total, self._word, rate, left / rate,
            )  # fmt: skip
