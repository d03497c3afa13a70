"""A model with a history, and rules for pruning it, drawn from a seed.

Needs nothing but Python, so that a worker in any environment can read it.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from control import OWNER, Control

_WORD = "release"


@dataclass(frozen=True, slots=True)
class Rules:
    """What is kept of a model's versions; ids are those of the database.

    Attributes:
        keep_last: How many of the newest.
        older_than_days: Whatever is younger than so many days.
        protected_ids: These.
        protected_digests: Whatever is of one of these images.
        protected_word: Whatever has this word in its release notes, in lower case.
        only: Whatever is not among these.
        max_deletions: Everything, where more would go.
    """

    keep_last: int | None
    older_than_days: float | None
    protected_ids: Sequence[str]
    protected_digests: Sequence[str]
    protected_word: str | None
    only: Sequence[str] | None
    max_deletions: int | None

    def arguments(self, names: dict[str, str], generation: int) -> dict[str, Any]:
        """Write them as a user of the operator does.

        Args:
            names: The name of each version in generation 2, by its id.
            generation: Of the API.
        """

        def named(ids: Sequence[str]) -> list[str]:
            return [names[each] if generation == 2 else each for each in ids]

        arguments: dict[str, Any] = {
            "keep_last": self.keep_last,
            "older_than": None if self.older_than_days is None else f"{round(self.older_than_days * 24)}h",
            "protect": [*named(self.protected_ids), *self.protected_digests] or None,
            "protect_release_notes": None if self.protected_word is None else f"(?i){self.protected_word}",
            "only": None if self.only is None else named(self.only),
            "max_deletions": self.max_deletions,
        }
        return {name: value for name, value in arguments.items() if value is not None}


def make_model(control: Control, draw: random.Random, name: str, versions: int, generation: int) -> list[str]:
    """Make a model with a history of about a version a day; gives the ids, the oldest first."""
    now = datetime.now(UTC)
    made = []
    # Never within hours of a whole number of days, so that it is no matter of seconds what is older.
    age = timedelta(days=versions, hours=12)
    for number in range(1, versions + 1):
        word = draw.choice((_WORD, _WORD.upper(), "build", "build", "build", "nightly"))
        digest = f"sha256:{draw.randrange(max(2, versions // 2)):064x}"
        made.append(((now - age).strftime("%Y-%m-%dT%H:%M:%S.%fZ"), f"{word} {number}", digest))
        # Only numbers tell which of two is newer that were created at the same time.
        at_the_same_time = generation == 1 and draw.random() < 0.1
        age -= timedelta(days=0 if at_the_same_time else 1)
    return control.add_versions(OWNER, name, made)


def draw_rules(draw: random.Random, ids: Sequence[str], *, by_age: bool = False) -> Rules:
    """Draw rules for a model, such that some versions are due most of the time.

    Args:
        draw: Draws them.
        ids: The ids of its versions.
        by_age: Whether age is a criterion in any case.
    """
    count = len(ids)
    keep_last = draw.randint(1, max(1, count // 2)) if draw.random() < 0.7 else None
    days = float(draw.randint(1, max(1, count // 2))) if by_age or keep_last is None or draw.random() < 0.4 else None
    few = min(count, 4)
    return Rules(
        keep_last=keep_last,
        older_than_days=days,
        protected_ids=draw.sample(ids, draw.randint(1, few)) if draw.random() < 0.4 else (),
        protected_digests=[f"sha256:{draw.randrange(max(2, count // 2)):064x}"] if draw.random() < 0.4 else (),
        protected_word=_WORD if draw.random() < 0.4 else None,
        only=draw.sample(ids, draw.randint(count // 2, count)) if draw.random() < 0.15 else None,
        max_deletions=draw.choice((1, count // 3, count)) if draw.random() < 0.2 else None,
    )
