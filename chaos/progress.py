"""How far a scenario has come, told from time to time."""

from __future__ import annotations

import time

_EVERY = 10.0


class Progress:
    """Counts runs, and tells how many are done, how fast, and what remains.

    Args:
        title: What is done.
        total: How many runs there are.
    """

    def __init__(self, title: str, total: int) -> None:
        self._title = title
        self._total = total
        self._done = 0
        self._began = self._told = time.monotonic()

    def step(self, runs: int = 1) -> None:
        """Count some more."""
        self._done += runs
        now = time.monotonic()
        if now - self._told >= _EVERY and self._done < self._total:
            self._told = now
            rate = self._done / (now - self._began)
            left = self._total - self._done
            self.say(f"{self._done} of {self._total}, {rate:.2g} a second, {left / rate:.0f} s to go")

    def say(self, text: str) -> None:
        """Tell a line."""
        print(f"  {self._title}: {text}", flush=True)
