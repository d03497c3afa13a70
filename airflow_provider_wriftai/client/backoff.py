"""How long a loop waits before its next attempt."""

from __future__ import annotations

import random
from dataclasses import dataclass

_MOST_DOUBLINGS = 64


@dataclass(frozen=True, slots=True)
class Backoff:
    """Delays that grow from attempt to attempt.

    Attributes:
        initial: Seconds before the second attempt.
        factor: By how much each delay is longer than the one before.
        maximum: Seconds that a delay never exceeds; None for no limit.
        jitter: The share of each delay that is random: 0 for none, 1 for all of it.
    """

    initial: float
    factor: float = 2.0
    maximum: float | None = None
    jitter: float = 0.0

    def delay(self, attempt: int) -> float:
        """Return the seconds to wait after an attempt.

        Args:
            attempt: Which attempt it was, counted from 1.
        """
        try:
            longest = self.initial * self.factor ** (min(attempt, _MOST_DOUBLINGS) - 1)
        except OverflowError:
            longest = float("inf")
        if self.maximum is not None:
            longest = min(longest, self.maximum)
        return longest * (1.0 - self.jitter * random.random())  # noqa: S311 - spreads load, keeps no secret
