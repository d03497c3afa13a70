"""The table of a campaign."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

HEADS = ("scenario", "runs", "faults", "lost", "duplicated", "wrongly deleted", "clear errors")
_NUMBERS = ("faults", "lost", "duplicated", "wrongly deleted", "clear errors")

Rows = Iterable[Mapping[str, Any]]


def for_terminal(rows: Rows) -> str:
    """Write the table with columns of the same width."""
    cells = [HEADS, *map(cells_of, rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(HEADS))]
    ruler = tuple("-" * width for width in widths)
    return "\n".join(_aligned(row, widths) for row in (cells[0], ruler, *cells[1:]))


def cells_of(row: Mapping[str, Any]) -> Sequence[str]:
    """Write the cells of a row."""
    # What cannot go wrong in a scenario is not counted in it.
    numbers = ("–" if row[name] is None else f"{row[name]:,}" for name in _NUMBERS)
    return (row["title"], f"{row['runs']:,} {row['unit']}", *numbers)


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = zip(row, widths, strict=True)
    return "  ".join([first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]).rstrip()
