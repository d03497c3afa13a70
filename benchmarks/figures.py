"""The figures of a benchmark (ours, a peer's, and a limit), and their table."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

HEADS = ("work", "ours", "peer", "ratio", "limit", "ratio to the limit", "goal", "")


@dataclass(frozen=True)
class Figure:
    """One row of a report. Less is better in all of them.

    Attributes:
        work: What was done.
        unit: What the numbers count.
        ours: Our runs.
        peer: The peer's name; empty where there is none.
        peers: The peer's runs, each next to one of ours.
        limit: What nobody can do better than; empty where that is not known.
        limits: The limit's runs, or what it comes to, next to each run of ours.
        goal: What is meant to be so, in words.
        met: Whether it is; None where there is no goal.
        note: What else was seen.
    """

    work: str
    unit: str
    ours: Sequence[float]
    peer: str = ""
    peers: Sequence[float] = ()
    limit: str = ""
    limits: Sequence[float] = ()
    goal: str = ""
    met: bool | None = None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """The median, over the pairs of runs, of ours to the peer's."""
        return _ratio(self.ours, self.peers)

    @property
    def ratio_to_limit(self) -> float | None:
        """The median, over the pairs of runs, of ours to the limit."""
        return _ratio(self.ours, self.limits)

    def judged(self, most: float, *, by_limit: bool = False) -> Figure:
        """Tell whether the ratio to the peer, or to the limit, is at most so much."""
        ratio = self.ratio_to_limit if by_limit else self.ratio
        assert ratio is not None
        return replace(self, met=ratio <= most)

    def as_json(self) -> dict[str, Any]:
        """Write it as JSON."""
        return {**asdict(self), "ratio": self.ratio, "ratio_to_limit": self.ratio_to_limit}


def _ratio(ours: Sequence[float], others: Sequence[float]) -> float | None:
    if not others:
        return None
    return statistics.median(
        mine / theirs if theirs else float(mine > 0) for mine, theirs in zip(ours, others, strict=True)
    )


def row_of(figure: Mapping[str, Any]) -> tuple[str, ...]:
    """Tell a figure as a row under ``HEADS``.

    Args:
        figure: As :meth:`Figure.as_json` wrote it.
    """
    unit = figure["unit"]

    def beside(name: str, values: Sequence[float]) -> str:
        return f"{told(values)} {unit} ({name})" if values else ""

    return (
        figure["work"],
        f"{told(figure['ours'])} {unit}",
        beside(figure["peer"], figure["peers"]),
        "" if figure["ratio"] is None else f"{figure['ratio']:.2f}",
        beside(figure["limit"], figure["limits"]),
        "" if figure["ratio_to_limit"] is None else f"{figure['ratio_to_limit']:.2f}",
        figure["goal"],
        {None: "", True: "met", False: "MISSED"}[figure["met"]],
    )


def told(values: Sequence[float]) -> str:
    """Tell the median of some runs, and their spread."""
    low, middle, high = (_short(value) for value in (min(values), statistics.median(values), max(values)))
    return middle if low == high else f"{middle} [{low} to {high}]"


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def table(figures: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Write figures as the lines of a table for a terminal, and what else was seen below it."""
    rows = [HEADS, *map(row_of, figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADS))]
    for row in [HEADS, tuple("-" * width for width in widths), *rows[1:]]:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
    for figure in figures:
        if figure["note"]:
            yield f"{figure['work']}: {figure['note']}"
