"""What every scenario is: runs that are drawn from seeds, and the outcome of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path


class Kind(StrEnum):
    """What can go wrong for a user; docs/reliability.md defines it. OTHER is never expected, and has no column."""

    LOST = "lost"
    DUPLICATED = "duplicated"
    WRONGLY_DELETED = "wrongly deleted"
    RACED = "failed by Airflow's race"
    OTHER = "broken otherwise"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong, and what shows it."""

    kind: Kind
    evidence: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of a run.

    Attributes:
        faults: How many faults were injected.
        runs: How many tasks, or whatever else the scenario counts as its runs.
        clear_errors: How many of them ended with an error that says what is wrong.
        error: One of those errors, as an example.
        notes: What else is worth counting, by name.
        row: The name of its row; empty for the first one of the scenario.
    """

    seed: int
    faults: int
    runs: int = 1
    clear_errors: int = 0
    error: str = ""
    findings: tuple[Finding, ...] = ()
    notes: Mapping[str, float] = field(default_factory=dict)
    row: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the table: its name in the JSON, its title, what its runs are, and what can go wrong in it."""

    name: str
    title: str
    unit: str
    counts: frozenset[Kind]


@dataclass(frozen=True, slots=True)
class Setting:
    """What a scenario is given: the seed of the first run, how many runs to make, a folder, and a log of progress."""

    seed: int
    runs: int
    folder: Path
    log: Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Scenario:
    """One way in which things go wrong.

    Attributes:
        name: Its name on the command line.
        rows: The rows of the table that it fills.
        runs: How many runs a full campaign makes.
        quick_runs: How many a quick one makes; 0 for none.
        run: Makes the runs, and yields their outcomes.
        missing: Returns why it cannot run on this machine; None if it can.
    """

    name: str
    rows: tuple[Row, ...]
    runs: int
    quick_runs: int
    run: Callable[[Setting], Iterator[Outcome]]
    missing: Callable[[], str | None] = lambda: None
