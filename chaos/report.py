"""The table of a campaign: the outcomes of all runs, summed up in rows."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from chaos.scenario import Kind, Outcome, Row, Scenario

_NUMBERS = ("faults", *(str(kind) for kind in Kind if kind is not Kind.OTHER), "clear errors")
HEADS = ("scenario", "runs", *_NUMBERS)


def rows_of(scenario: Scenario, outcomes: Iterable[Outcome]) -> list[dict[str, Any]]:
    """Return the rows of a scenario that had at least one run, as JSON."""
    by_row: dict[str, list[Outcome]] = {row.name: [] for row in scenario.rows}
    for outcome in outcomes:
        by_row[outcome.row or scenario.rows[0].name].append(outcome)
    return [_row(row, by_row[row.name]) for row in scenario.rows if by_row[row.name]]


def _row(row: Row, outcomes: list[Outcome]) -> dict[str, Any]:
    found = Counter(finding.kind for outcome in outcomes for finding in outcome.findings)
    notes: dict[str, float] = {}
    for outcome in outcomes:
        for name, number in outcome.notes.items():
            known = notes.get(name, 0)
            notes[name] = max(known, number) if name.startswith("longest") else known + number
    return {
        "name": row.name,
        "title": row.title,
        "unit": row.unit,
        "runs": sum(outcome.runs for outcome in outcomes),
        "faults": sum(outcome.faults for outcome in outcomes),
        **{str(kind): found[kind] if kind in (*row.counts, Kind.OTHER) or found[kind] else None for kind in Kind},
        "clear errors": sum(outcome.clear_errors for outcome in outcomes),
        "examples of errors": _examples(outcome.error for outcome in outcomes if outcome.clear_errors),
        "notes": {name: round(number, 1) for name, number in sorted(notes.items())},
        "findings": [
            {"seed": outcome.seed, "kind": str(finding.kind), "evidence": finding.evidence}
            for outcome in outcomes
            for finding in outcome.findings
        ],
    }


def _examples(errors: Iterable[str]) -> list[str]:
    """Return a few errors that differ at their beginning."""
    by_beginning = {re.sub(r"[\d-]+", "", error)[:60]: error for error in errors if error}
    return [" ".join(error.split())[:300] for error in list(by_beginning.values())[:5]]


def format_table(rows: Iterable[Mapping[str, Any]]) -> str:
    """Return the table for a terminal."""
    cells = [HEADS, *map(format_cells, rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(HEADS))]
    ruler = tuple("-" * width for width in widths)
    return "\n".join(_align(row, widths) for row in (cells[0], ruler, *cells[1:]))


def format_cells(row: Mapping[str, Any]) -> Sequence[str]:
    """Return the cells of a row."""
    numbers = ("–" if row[name] is None else f"{row[name]:,}" for name in _NUMBERS)
    return (row["title"], f"{row['runs']:,} {row['unit']}", *numbers)


def format_problems(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return one line for each problem."""
    lines = []
    for row in rows:
        for finding in row["findings"]:
            lines.append(f"WRONG in {row['name']}, seed {finding['seed']}, {finding['kind']}: {finding['evidence']}")
        if row["faults"] == 0:
            lines.append(f"WRONG in {row['name']}: no fault was injected, so the run proves nothing")
    return lines


def _align(row: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = zip(row, widths, strict=True)
    return "  ".join([first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]).rstrip()
