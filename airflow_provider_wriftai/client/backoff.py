"""How long to wait before each further attempt."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """A delay that grows with each attempt.

    Attributes:
        initial: Seconds to wait after the first attempt.
        factor: What the delay is multiplied by for each further attempt.
        maximum: The longest delay in seconds; None for no limit.
        jitter: The share of the delay that is random: a delay of ``d`` lies between ``d * (1 - jitter)`` and ``d``.
    """

    initial: float
    factor: float = 2.0
    maximum: float | None = None
    jitter: float = 0.0

    def delay(self, attempt: int) -> float:
        """Return the seconds to wait after an attempt.

        Args:
            attempt: Its number, counted from 1.
        """
        longest = float("inf") if self.maximum is None else self.maximum
        if self.initial <= 0:
            return 0.0
        try:
            delay = min(self.initial * self.factor ** max(0, attempt - 1), longest)
        except OverflowError:
            delay = longest
        return delay * (1 - self.jitter * random.random())  # noqa: S311
