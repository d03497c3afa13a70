"""What goes wrong at which step: one schedule of faults at a time, and all those that extend it by one more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

Schedule: TypeAlias = tuple[tuple[int, str], ...]
"""Faults by the number of the step at which they happen, in order."""


@dataclass
class Nemesis:
    """Lets things go wrong as a schedule says, and records what else could have gone wrong.

    Attributes:
        schedule: The faults.
        offered: The faults that each step so far could have had.
        is_over: Whether nothing goes wrong any more.
    """

    schedule: Schedule
    offered: list[Sequence[str]] = field(default_factory=list)
    is_over: bool = False

    def choose(self, options: Sequence[str]) -> str:
        """Return what goes wrong at this step; an empty string for nothing."""
        if self.is_over:
            return ""
        step = len(self.offered)
        self.offered.append(options)
        return next((fault for at, fault in self.schedule if at == step), "")

    def extensions(self) -> Iterator[Schedule]:
        """Return the schedules with one more fault, after the last one."""
        first = self.schedule[-1][0] + 1 if self.schedule else 0
        for step in range(first, len(self.offered)):
            for fault in self.offered[step]:
                yield (*self.schedule, (step, fault))

    def has(self, *faults: str) -> bool:
        """Return whether one of some faults is in the schedule."""
        return any(fault.startswith(faults) for _, fault in self.schedule)
