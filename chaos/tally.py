"""Adding outcomes up to the rows of the table."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

from scenario import Kind, Outcome, Row, Scenario

_MOST_EXAMPLES = 5
_LONGEST_EXAMPLE = 300


class Tally:
    """What came of a scenario's runs.

    Args:
        scenario: The scenario.
    """

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._outcomes: dict[str, list[Outcome]] = {row.name: [] for row in scenario.rows}

    def add(self, outcome: Outcome) -> None:
        """Count a run."""
        self._outcomes[outcome.row or self._scenario.rows[0].name].append(outcome)

    def rows(self) -> list[dict[str, Any]]:
        """The rows that had any run, as JSON."""
        return [self._row(row, outcomes) for row in self._scenario.rows if (outcomes := self._outcomes[row.name])]

    @staticmethod
    def _row(row: Row, outcomes: list[Outcome]) -> dict[str, Any]:
        found = Counter(finding.kind for outcome in outcomes for finding in outcome.findings)
        notes: Counter[str] = Counter()
        for outcome in outcomes:
            for name, number in outcome.notes.items():
                # What is called the longest or the most is no sum.
                is_extreme = name.startswith(("longest", "most"))
                notes[name] = max(notes[name], number) if is_extreme else notes[name] + number  # type: ignore[assignment]
        return {
            "name": row.name,
            "title": row.title,
            "unit": row.unit,
            "is_peer": row.is_peer,
            "runs": sum(outcome.runs for outcome in outcomes),
            "faults": sum(outcome.faults for outcome in outcomes),
            **{
                str(kind): found[kind] if kind in row.counts or found[kind] else None
                for kind in Kind
                if kind is not Kind.OTHER
            },
            "clear errors": sum(outcome.clear_errors for outcome in outcomes),
            str(Kind.OTHER): found[Kind.OTHER],
            "examples of errors": _examples(outcome.error for outcome in outcomes if outcome.clear_errors),
            "notes": {name: round(number, 1) for name, number in sorted(notes.items())},
            "findings": [
                {"seed": outcome.seed, "kind": str(finding.kind), "what": finding.what}
                for outcome in outcomes
                for finding in outcome.findings
                if not row.is_peer
            ],
        }


def _examples(errors: Iterable[str]) -> list[str]:
    """A few that differ in how they begin."""
    by_beginning = {re.sub(r"[\d-]+", "", error)[:60]: error for error in errors if error}
    return [" ".join(error.split())[:_LONGEST_EXAMPLE] for error in list(by_beginning.values())[:_MOST_EXAMPLES]]
