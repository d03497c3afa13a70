"""What every scenario of the campaign is: runs that are drawn from a seed, and what came of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path


class Kind(StrEnum):
    """What can have gone wrong for the user."""

    LOST = "lost"
    """What was told done, or was due, is not there."""
    DUPLICATED = "duplicated"
    """A second version of one image by one task, or a second event of one version."""
    WRONGLY_DELETED = "wrongly deleted"
    """A version is gone that was not due."""
    OTHER = "broken otherwise"
    """Any other promise that was not kept; never expected, so that it has no column of its own."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong, and what shows it."""

    kind: Kind
    what: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a run.

    Attributes:
        seed: What the run was drawn from.
        faults: How many faults were really injected.
        runs: How many tasks, or whatever the scenario counts as its runs.
        clear_errors: How many of them ended with an error that says what is wrong.
        error: What one of them said, for an example.
        findings: What is wrong with it.
        notes: What else is worth counting, by its name.
        row: To which row of its scenario it belongs, by name; empty for the first.
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
    """A line of the table.

    Attributes:
        name: Its name in the JSON.
        title: Its name in the table.
        unit: What its runs are.
        counts: What can go wrong in it.
        is_peer: Whether it is somebody else's, beside ours: nothing is expected of it.
    """

    name: str
    title: str
    unit: str
    counts: frozenset[Kind]
    is_peer: bool = False


@dataclass(frozen=True, slots=True)
class Setting:
    """What a scenario is given.

    Attributes:
        seed: Of the first run; the others count up from it.
        runs: How many.
        with_peers: Whether somebody else's work is to be shown beside ours.
        folder: Where it may leave files; they are gone afterwards.
        say: Tells a line to whoever watches.
    """

    seed: int
    runs: int
    with_peers: bool
    folder: Path
    say: Callable[[str], None]

    @property
    def seeds(self) -> range:
        """The seeds of the runs."""
        return range(self.seed, self.seed + self.runs)


def _nothing_is_missing() -> str | None:
    return None


@dataclass(frozen=True, slots=True)
class Scenario:
    """One way in which things go wrong.

    Attributes:
        name: Its name on the command line.
        rows: The lines that it fills.
        runs: How many runs it has in a full campaign.
        quick_runs: How many in a quick one; 0 where it has no place there.
        carry_out: Carries the runs out, and gives what came of each.
        missing: Tells why it cannot be carried out on this machine; None where it can.
        tells_itself: Whether it tells by itself how far it is, because all outcomes come at the end.
    """

    name: str
    rows: tuple[Row, ...]
    runs: int
    quick_runs: int
    carry_out: Callable[[Setting], Iterator[Outcome]]
    missing: Callable[[], str | None] = _nothing_is_missing
    tells_itself: bool = False
