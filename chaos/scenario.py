"""The types of a scenario: its runs, which are drawn from seeds, and their outcomes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path


class Kind(StrEnum):
    """The kinds of problems, as defined in docs/reliability.md. OTHER has no column in the table."""

    LOST = "lost"
    DUPLICATED = "duplicated"
    WRONGLY_DELETED = "wrongly deleted"
    RACED = "failed by Airflow's race"
    OTHER = "broken otherwise"


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem, with its evidence."""

    kind: Kind
    evidence: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of a run.

    Attributes:
        faults: How many faults were injected.
        runs: How many tasks (or whatever the row counts) the run had.
        clear_errors: How many of these ended with an error that names the problem.
        error: One of these errors, as an example.
        notes: Further numbers, by name.
        row: The name of the row; empty for the first row of the scenario.
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
    """A row of the table.

    Attributes:
        name: The name of the row in the JSON file.
        unit: What the row counts as a run.
        counts: The kinds of problems that can occur.
    """

    name: str
    title: str
    unit: str
    counts: frozenset[Kind]


@dataclass(frozen=True, slots=True)
class Setting:
    """The arguments of a scenario.

    Attributes:
        seed: The seed of the first run.
        folder: An empty folder for its files.
        log: Logs progress.
    """

    seed: int
    runs: int
    folder: Path
    log: Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Scenario:
    """A kind of run, repeated with different seeds.

    Attributes:
        name: The name of the scenario on the command line.
        rows: The rows of the table that the scenario fills.
        runs: How many runs a full campaign makes.
        quick_runs: How many runs a quick campaign makes; 0 for none.
        run: Makes the runs, and yields their outcomes.
        find_skip_reason: Returns why the scenario cannot run on this machine; None if it can.
    """

    name: str
    rows: tuple[Row, ...]
    runs: int
    quick_runs: int
    run: Callable[[Setting], Iterator[Outcome]]
    find_skip_reason: Callable[[], str | None] = lambda: None
