"""Random histories of models, and random rules for pruning them."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow_provider_wriftai.sandbox.store import StoredVersion
from chaos.service import Service, name_of

_WORD = "release"
_CALENDAR = ("keep_daily", "keep_weekly", "keep_monthly", "keep_yearly")


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of a prune, as in the operator's parameters. Versions are named by their ids in the database."""

    keep_last: int | None
    older_than_days: float | None
    calendar: Mapping[str, int]
    protected: Sequence[str]
    protected_digests: Sequence[str]
    protected_word: str | None
    only: Sequence[str] | None
    max_deletions: int | None

    def arguments(self, names: Mapping[str, str]) -> dict[str, Any]:
        """Return the rules as arguments of the operator, given the reference of each version by id."""
        arguments: dict[str, Any] = {
            "keep_last": self.keep_last,
            "older_than": None if self.older_than_days is None else f"{round(self.older_than_days * 24)}h",
            "protect": [*(names[each] for each in self.protected), *self.protected_digests] or None,
            "protect_release_notes": None if self.protected_word is None else f"(?i){self.protected_word}",
            "only": None if self.only is None else [names[each] for each in self.only],
            "max_deletions": self.max_deletions,
            **self.calendar,
        }
        return {name: value for name, value in arguments.items() if value is not None}


def make_history(service: Service, draw: random.Random, name: str, versions: int, generation: int) -> None:
    """Create a model with a history of about one version per day."""
    service.add_model(name)
    now = datetime.now(UTC)
    # No age is near a whole number of days, so the duration of a run does not change which versions are older.
    age = timedelta(days=versions, hours=12)
    for number in range(1, versions + 1):
        word = draw.choice((_WORD, _WORD.upper(), "build", "build", "build", "nightly"))
        digest = f"sha256:{draw.randrange(max(2, versions // 2)):064x}"
        service.publish(name, f"{word} {number}", digest, created_at=now - age)
        # Of two versions that were created at the same time, only the numbers show which one is newer.
        is_simultaneous = generation == 1 and draw.random() < 0.1
        age -= timedelta(days=0 if is_simultaneous else 1)


def draw_rules(draw: random.Random, versions: Sequence[StoredVersion]) -> Rules:
    """Draw rules for a model; in most cases, some versions are due."""
    count, ids = len(versions), [version.id for version in versions]
    keep_last = draw.randint(1, max(1, count // 2)) if draw.random() < 0.7 else None
    days = float(draw.randint(1, max(1, count // 2))) if keep_last is None or draw.random() < 0.4 else None
    return Rules(
        keep_last=keep_last,
        older_than_days=days,
        calendar={draw.choice(_CALENDAR): draw.randint(1, 5)} if draw.random() < 0.3 else {},
        protected=draw.sample(ids, draw.randint(1, min(count, 4))) if draw.random() < 0.4 else (),
        protected_digests=[f"sha256:{draw.randrange(max(2, count // 2)):064x}"] if draw.random() < 0.4 else (),
        protected_word=_WORD if draw.random() < 0.4 else None,
        only=draw.sample(ids, draw.randint(count // 2, count)) if draw.random() < 0.15 else None,
        max_deletions=draw.choice((1, count // 3, count)) if draw.random() < 0.2 else None,
    )


def names_of(versions: Sequence[StoredVersion], generation: int) -> dict[str, str]:
    """Return the reference of each version, by id."""
    return {version.id: name_of(version, generation) for version in versions}
