"""Inject the faults of one schedule, and enumerate the schedules that extend it by one more fault."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

Schedule: TypeAlias = tuple[tuple[int, str], ...]
"""Faults with the numbers of their steps, in order."""


@dataclass
class Nemesis:
    """Injects the faults of a schedule, and records which other faults were possible.

    Attributes:
        options: The possible faults of each step so far.
        is_over: Whether to inject no more faults.
    """

    schedule: Schedule
    options: list[Sequence[str]] = field(default_factory=list)
    is_over: bool = False

    def choose(self, options: Sequence[str]) -> str:
        """Return the fault of this step; an empty string for none."""
        if self.is_over:
            return ""
        step = len(self.options)
        self.options.append(options)
        return next((fault for at, fault in self.schedule if at == step), "")

    def extensions(self) -> Iterator[Schedule]:
        """Yield the schedules with one more fault after the last one."""
        first = self.schedule[-1][0] + 1 if self.schedule else 0
        for step in range(first, len(self.options)):
            for fault in self.options[step]:
                yield (*self.schedule, (step, fault))

    def has(self, *faults: str) -> bool:
        """Return whether the schedule has a fault that begins with one of these texts."""
        return any(fault.startswith(faults) for _, fault in self.schedule)
