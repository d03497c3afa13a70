"""A task that prunes, and has to delete exactly what is due."""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from control import OWNER, Control
from jobs.job import Job
from ledger import Ledger
from retention_rules import draw_rules, make_model
from scenario import Finding, Kind
from scheduler import Finished
from tasks import Task

# With a clock that is wrong by more than a day, nothing is deleted.
_CLOCKS_DIFFER = "so one of them is wrong"


class Pruning(Job):
    """A prune of a model that is made for it.

    Args:
        control: The sandbox from behind.
        folder: Where the task leaves what it keeps; made.
        name: The model's name.
        draw: Draws the model's history and the rules.
        versions: How many versions the model has.
        generation: Of the API.
        by_age: Whether age is a criterion in any case.

    Attributes:
        due: The versions that are due at first, as their paths end.
    """

    def __init__(
        self,
        control: Control,
        folder: Path,
        name: str,
        *,
        draw: random.Random,
        versions: int,
        generation: int,
        by_age: bool = False,
    ) -> None:
        self._rules = draw_rules(draw, make_model(control, draw, name, versions, generation), by_age=by_age)
        self._ledger = Ledger(control, name, generation, self._rules)
        self._ledger.try_begins()
        names = control.names(OWNER, name)
        self.due = sorted(each if generation == 1 else names[each].rpartition(":")[2] for each in self._ledger.due)
        folder.mkdir()
        arguments: dict[str, Any] = {"model": f"{OWNER}/{name}", **self._rules.arguments(names, generation)}
        super().__init__(Task("prune", arguments, folder))

    def try_begins(self) -> None:
        """Note what is due."""
        self._ledger.try_begins()

    def _wrong(self, finished: Finished, connection: Mapping[str, Any]) -> tuple[Finding, ...]:
        found = self._held_against_what_was_due(finished)
        if finished.succeeded:
            return found
        again = self.cleared(finished, connection)
        found += self._held_against_what_was_due(again)
        if not again.succeeded and self._rules.max_deletions is None and _CLOCKS_DIFFER not in again.error:
            found += (Finding(Kind.LOST, f"another try did not do the rest: {again.error}"),)
        return found

    def _held_against_what_was_due(self, finished: Finished) -> tuple[Finding, ...]:
        report = finished.result if finished.succeeded else None
        return tuple(Finding(Kind(kind), what) for kind, what in self._ledger.findings(report))
