"""Time in which waiting takes no time: minutes of settling pass at once, and what is due meanwhile happens on the way.

Needs nothing but Python, so that a worker in any environment can use it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

_monotonic = time.monotonic
_async_sleep = asyncio.sleep


class VirtualTime:
    """The time of this process, once :meth:`rule` was called: it runs on as ever, and jumps where somebody waits."""

    def __init__(self) -> None:
        self._ahead = 0.0
        self._due: list[tuple[float, Callable[[], None]]] = []

    def rule(self) -> None:
        """Let everything in this process go by this time."""
        time.sleep = self.sleep  # type: ignore[assignment]
        asyncio.sleep = self.async_sleep  # type: ignore[assignment]
        time.monotonic = self.now

    def now(self) -> float:
        """Seconds since some moment, waiting included."""
        return _monotonic() + self._ahead

    def at(self, moment: float, what: Callable[[], None]) -> None:
        """Let something happen at a moment."""
        self._due.append((moment, what))

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self._ahead += max(0.0, seconds)
        self.catch_up()

    async def async_sleep(self, seconds: float, result: object = None) -> object:
        """Let time pass for one of many that wait at the same time: they wake together, not one after the other."""
        wakes = self.now() + max(0.0, seconds)
        await _async_sleep(0)
        self._ahead += max(0.0, wakes - self.now())
        self.catch_up()
        return result

    def catch_up(self) -> None:
        """Let everything happen that is due."""
        for due in sorted((due for due in self._due if due[0] <= self.now()), key=lambda due: due[0]):
            self._due.remove(due)
            due[1]()

    def let_everything_happen(self) -> None:
        """Let all happen that would be due some time."""
        while self._due:
            self.sleep(max(0.0, max(moment for moment, _ in self._due) - self.now()))
