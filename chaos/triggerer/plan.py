"""What happens to a triggerer and to those who wait in it, drawn from a seed."""

from __future__ import annotations

import random
from dataclasses import dataclass

from control import OWNER

WAITED_FOR = tuple(f"{OWNER}/waited-for-{number}" for number in range(5))
HEARD_OF = tuple(f"{OWNER}/heard-of-{number}" for number in range(2))
VERSIONS = 3
"""How many versions each of these models has at first."""

_WAITS = 40
_VERSIONS_A_KILL = 6
_LONGEST_TIMEOUT = 150.0


@dataclass(frozen=True, slots=True)
class Wait:
    """A deferred wait.

    Attributes:
        task: Its task's id.
        model: On which model.
        criterion: By what its version is known: ``notes`` or ``image``.
        timeout: Seconds after which it is over.
        soft_fail: Whether its task is skipped then.
        published_at: When its version is published, in seconds; None for never.
    """

    task: str
    model: str
    criterion: str
    timeout: float
    soft_fail: bool
    published_at: float | None

    @property
    def is_from_start(self) -> bool:
        """Whether only what is published after the wait has begun is waited for."""
        return self.criterion == "notes"

    @property
    def notes(self) -> str:
        """The release notes of its version."""
        return f"for {self.task}"

    @property
    def digest(self) -> str:
        """The image of its version."""
        return f"sha256:{int(self.task.rpartition('-')[2]) + 1000:064x}"


@dataclass(frozen=True, slots=True)
class Kill:
    """An end of the triggerer.

    Attributes:
        at: When it is due, in seconds.
        down: How many seconds it is down.
        is_aimed: Whether it waits for the worst moment: when an event is stored, and the mark is not yet moved.
    """

    at: float
    down: float
    is_aimed: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that happens.

    Attributes:
        waits: The waits.
        kills: When the triggerer is killed, one after the other.
        published: When a version of which model is published, of those that are heard of.
    """

    waits: tuple[Wait, ...]
    kills: tuple[Kill, ...]
    published: tuple[tuple[float, str], ...]


def plan(seed: int, kills: int) -> Plan:
    """Draw a plan.

    Args:
        seed: Of the first kill.
        kills: How often the triggerer is killed.
    """
    planned, now = [], 0.0
    for number in range(kills):
        draw = random.Random(f"triggerer-killed {seed + number}")  # noqa: S311
        # It takes a while to start, and to take over what another one has left: some are killed amid that.
        now += draw.choice((draw.uniform(1, 12), draw.uniform(15, 40), draw.uniform(15, 40)))
        down = draw.choice((0.0, draw.uniform(0, 8)))
        planned.append(Kill(now, down, is_aimed=number % 3 == 2))
        now += down
    draw = random.Random(f"triggerer {seed}")  # noqa: S311
    waits = tuple(_wait(draw, number, now) for number in range(_WAITS))
    count = kills * _VERSIONS_A_KILL
    published = sorted((draw.uniform(0, now), draw.choice(HEARD_OF)) for _ in range(count))
    return Plan(waits, tuple(planned), tuple(published))


def _wait(draw: random.Random, number: int, ends: float) -> Wait:
    is_published = draw.random() < 0.65
    return Wait(
        task=f"wait-{number:02}",
        model=draw.choice(WAITED_FOR),
        criterion=draw.choice(("notes", "image")),
        timeout=3600.0 if is_published else draw.uniform(45, _LONGEST_TIMEOUT),
        soft_fail=not is_published and draw.random() < 0.5,
        published_at=draw.uniform(0, ends) if is_published else None,
    )
