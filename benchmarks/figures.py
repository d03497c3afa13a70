"""The results of a benchmark: our runs, those of a peer, and a floor that nobody can beat."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

HEADS = ("work", "ours", "peer", "ratio", "floor", "ratio to the floor", "goal", "")


@dataclass(frozen=True)
class Figure:
    """One row of the results. Lower is better in every row.

    Attributes:
        work: The measured work.
        unit: The unit of all numbers.
        ours: Our runs.
        peer: The peer's name; empty for no peer.
        peers: The peer's runs, each paired with one of ours.
        floor: What sets the lowest possible number; empty if the floor is unknown.
        floors: The floor, measured or computed, for each run of ours.
        goal: The goal, in words.
        met: Whether the goal is met; None for no goal.
        note: Further observations.
    """

    work: str
    unit: str
    ours: Sequence[float]
    peer: str = ""
    peers: Sequence[float] = ()
    floor: str = ""
    floors: Sequence[float] = ()
    goal: str = ""
    met: bool | None = None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """The median ratio of our runs to the peer's."""
        return _ratio(self.ours, self.peers)

    @property
    def ratio_to_floor(self) -> float | None:
        """The median ratio of our runs to the floor."""
        return _ratio(self.ours, self.floors)

    def with_peer_goal(self, most: float) -> Figure:
        """Return this figure with the goal of at most so much of the peer's result."""
        assert self.ratio is not None
        return replace(self, goal=f"at most {most:.3g} × the peer", met=self.ratio <= most)

    def with_floor_goal(self, most: float) -> Figure:
        """Return this figure with the goal of at most so much of the floor."""
        assert self.ratio_to_floor is not None
        return replace(self, goal=f"at most {most:.3g} × the floor", met=self.ratio_to_floor <= most)

    def as_json(self) -> dict[str, Any]:
        """Return the fields and the ratios."""
        return {**asdict(self), "ratio": self.ratio, "ratio_to_floor": self.ratio_to_floor}


def _ratio(ours: Sequence[float], others: Sequence[float]) -> float | None:
    if not others:
        return None
    return statistics.median(
        mine / theirs if theirs else float(mine > 0) for mine, theirs in zip(ours, others, strict=True)
    )


def format_row(figure: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the cells of a figure, in the order of ``HEADS``.

    Args:
        figure: A result of :meth:`Figure.as_json`.
    """
    unit = figure["unit"]

    def comparison(name: str, values: Sequence[float]) -> str:
        return f"{format_runs(values)} {unit} ({name})" if values else ""

    return (
        figure["work"],
        f"{format_runs(figure['ours'])} {unit}",
        comparison(figure["peer"], figure["peers"]),
        "" if figure["ratio"] is None else f"{figure['ratio']:.2f}",
        comparison(figure["floor"], figure["floors"]),
        "" if figure["ratio_to_floor"] is None else f"{figure['ratio_to_floor']:.2f}",
        figure["goal"],
        {None: "", True: "met", False: "MISSED"}[figure["met"]],
    )


def format_runs(values: Sequence[float]) -> str:
    """Return the median of some runs, with their minimum and maximum."""
    low, middle, high = (_format_number(value) for value in (min(values), statistics.median(values), max(values)))
    return middle if low == high else f"{middle} [{low} to {high}]"


def _format_number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def format_table(figures: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the lines of a table for a terminal, followed by the notes."""
    rows = [HEADS, *map(format_row, figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADS))]
    for row in [HEADS, tuple("-" * width for width in widths), *rows[1:]]:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
    for figure in figures:
        if figure["note"]:
            yield f"{figure['work']}: {figure['note']}"
