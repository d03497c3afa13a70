"""Enumerate all schedules of up to a given number of faults, shortest first, and check each."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import get_args

from airflow_provider_wriftai.domain.publishing.publish import IfExists

from .checkers import check
from .nemesis import Nemesis, Schedule
from .publishers import run_publishers
from .service import Service
from .workload import Configuration, Task

_MODES_WITH_DUPLICATES: tuple[IfExists, ...] = ("reuse", "fail")

CONFIGURATIONS = tuple(
    Configuration(if_exists, has_store, generation, digests)
    for if_exists, has_store, (generation, digests) in itertools.product(
        get_args(IfExists), (True, False), ((1, "lists"), (2, "details"), (2, "lists"), (1, "nowhere"), (2, "nowhere"))
    )
)
"""All configurations that occur; in generation 1, details report a digest only if lists do."""


@dataclass(frozen=True, slots=True)
class Case:
    """A configuration to explore.

    Attributes:
        depth: The maximum number of faults in a schedule.
        publishers: How many tasks publish at the same time.
    """

    configuration: Configuration
    depth: int
    publishers: int = 1

    def __str__(self) -> str:
        tasks = f", {self.publishers} tasks" if self.publishers > 1 else ""
        return f"{self.configuration}{tasks}, up to {self.depth} faults"

    def run(self, nemesis: Nemesis) -> Iterator[str]:
        """Run under a nemesis, and yield each problem."""
        if self.publishers > 1:
            return run_publishers(self.configuration, self.publishers, nemesis)
        return run_task(self.configuration, nemesis)

    def explore(self, *, stop_at_first: bool = False) -> Exploration:
        """Explore all schedules of the case."""
        return explore(self.run, self.depth, stop_at_first=stop_at_first)


def quick_cases() -> list[Case]:
    """Return the cases of a quick exploration: every single fault in every configuration. They take seconds."""
    return [Case(configuration, 1) for configuration in CONFIGURATIONS]


def full_cases() -> list[Case]:
    """Return the cases of a full exploration: two or three faults, and several tasks. They take minutes."""
    deeper = [c for c in CONFIGURATIONS if c.if_exists == "create" and c.has_store and c.digests != "nowhere"]
    duplicates = [
        Configuration(if_exists, has_store, generation, digests, "delete_own")
        for if_exists, has_store, (generation, digests) in itertools.product(
            _MODES_WITH_DUPLICATES, (True, False), ((1, "lists"), (2, "lists"))
        )
    ]
    return [
        *(Case(configuration, 2) for configuration in CONFIGURATIONS),
        *(Case(configuration, 3) for configuration in deeper),
        *(Case(configuration, 3, publishers=2) for configuration in duplicates),
        *(Case(configuration, 2, publishers=3) for configuration in duplicates),
    ]


@dataclass
class Exploration:
    """The result of an exploration.

    Attributes:
        schedules: How many schedules were explored.
        faults: How many faults these schedules had in total.
        violations: The schedules with a problem and its description, shortest schedule first.
    """

    schedules: int = 0
    faults: int = 0
    violations: list[tuple[Schedule, str]] = field(default_factory=list)


def run_task(configuration: Configuration, nemesis: Nemesis) -> Iterator[str]:
    """Run one task under one schedule, and check it."""
    task = Task(configuration, Service(configuration.generation, configuration.digests), nemesis)
    task.run()
    yield from check(task)


def explore(run: Callable[[Nemesis], Iterator[str]], depth: int, *, stop_at_first: bool = False) -> Exploration:
    """Explore all schedules.

    Args:
        run: Runs under a nemesis, and yields each problem.
        depth: The maximum number of faults in a schedule.
        stop_at_first: Whether to stop at the first violation.
    """
    found = Exploration()
    pending: deque[Schedule] = deque([()])
    while pending:
        nemesis = Nemesis(pending.popleft())
        found.schedules += 1
        found.faults += len(nemesis.schedule)
        for problem in run(nemesis):
            found.violations.append((nemesis.schedule, problem))
            if stop_at_first:
                return found
        if len(nemesis.schedule) < depth:
            pending.extend(nemesis.extensions())
    return found
