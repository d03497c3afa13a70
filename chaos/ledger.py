"""Holds what a prune did to a model against what was due, over all tries of its task.

Needs nothing but Python, so that a worker in any environment can use it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from control import OWNER, Control
from oracle import due
from retention_rules import Rules


class Ledger:
    """The versions of a model, and which of them may go.

    Args:
        control: The sandbox from behind.
        name: The model's name.
        generation: Of the API with which it is pruned.
        rules: What is kept.
    """

    def __init__(self, control: Control, name: str, generation: int, rules: Rules) -> None:
        self._control = control
        self._name = name
        self._generation = generation
        self._rules = rules
        self._seen: dict[str, str] = {}
        self._gone_by_others: set[str] = set()
        self._may_go: set[str] = set()
        self.due: set[str] = set()
        """What the oracle lets go, as of the beginning of the latest try."""

    def try_begins(self) -> None:
        """Note what is there, and what is due, before a try lists the versions."""
        self._note_what_is_there()
        self.due = due(self._control, OWNER, self._name, self._generation, self._rules)
        self._may_go |= self.due

    def somebody_else_publishes(self, count: int) -> None:
        """Let versions appear that no plan knows; none of them may go before another try lists them."""
        made = [("2026-01-01T00:00:00.000000Z", "of somebody else", f"sha256:{0:064x}")] * count
        self._control.add_versions(OWNER, self._name, made)
        self._note_what_is_there()

    def somebody_else_deletes(self, version_id: str) -> None:
        """Let a version go away."""
        if self._control.remove_version(version_id):
            self._gone_by_others.add(version_id)

    def findings(self, report: Mapping[str, Any] | None) -> list[tuple[str, str]]:
        """Tell what is wrong.

        Args:
            report: What the task returned; None where it ended with an error.

        Returns:
            What kind of thing is wrong, and what it is, for each.
        """
        there = self._control.names(OWNER, self._name)
        gone = self._seen.keys() - there.keys()
        wrongly_deleted = gone - self._gone_by_others - self._may_go
        found = [("wrongly deleted", f"{self._seen[each]} ({each})") for each in sorted(wrongly_deleted)]
        if report is not None:
            named = there.values() if self._generation == 2 else there.keys()
            told_gone = {*report["deleted"], *report["already_gone"]}
            found += [("lost", f"{each} was told gone, and is there") for each in sorted(told_gone.intersection(named))]
            found += [("lost", f"{there[each]} was due, and is there") for each in sorted(self.due & there.keys())]
        return found

    def _note_what_is_there(self) -> None:
        self._seen |= self._control.names(OWNER, self._name)
