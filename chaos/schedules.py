"""What goes wrong with one publication, drawn from a seed: the same seed gives the same schedule.

Needs nothing but Python, so that a worker in any environment can read it.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

Fault = dict[str, Any]

MODES = ("reuse", "fail", "create")

STATUSES = (500, 502, 503, 504)
# The service is taken to finish what it has begun within two minutes after its caller is gone.
LATEST = 115.0


@dataclass(frozen=True)
class Schedule:
    """What goes wrong, and when.

    Attributes:
        seed: What it was drawn from.
        generation: Of the API: 1 or 2.
        mode: What the publication does about a version that exists.
        remembers: Whether the task keeps anything over its tries.
        existing: How many versions the model has.
        creates: What happens to the creates, one after the other.
        looks: What happens to the reads, one after the other.
        late: Seconds after its create at which work that is done late is done.
        dies_at: With which request of all the process is killed, counted from 0; None for never.
        dies_before: Whether it is killed before that request, or when its answer has come.
        retry_delay: Seconds between the tries of the task.
    """

    seed: int
    generation: int
    mode: str
    remembers: bool
    existing: int
    creates: tuple[Fault, ...]
    looks: tuple[Fault, ...]
    late: float
    dies_at: int | None
    dies_before: bool
    retry_delay: float


def schedule(seed: int) -> Schedule:
    """Draw a schedule; generations and modes take turns, so that all come equally often."""
    draw = random.Random(seed)  # noqa: S311
    mode = MODES[seed // 2 % 3]
    remembers = draw.random() < 0.6
    # With "create" and nothing kept, what a killed try made cannot be told from what it did not.
    may_die = remembers or mode != "create"
    creates = tuple(_create_fault(draw) for _ in range(draw.choice((0, 1, 1, 1, 2, 2, 3, 4))))
    looks = tuple(look_fault(draw) for _ in range(draw.choice((0, 0, 0, 1, 2, 4, 8, 16))))
    return Schedule(
        seed=seed,
        generation=1 + seed % 2,
        mode=mode,
        remembers=remembers,
        existing=draw.choice((0, 0, 1, 3, 12)),
        creates=creates,
        looks=looks,
        late=draw.uniform(0, LATEST),
        dies_at=draw.randrange(12) if may_die and draw.random() < 0.3 else None,
        dies_before=draw.random() < 0.5,
        retry_delay=draw.choice((0.0, 1.0, 300.0)),
    )


def _create_fault(draw: random.Random) -> Fault:
    kind = draw.choice(("never", "done", "late", "refused"))
    if kind == "refused":
        headers = draw.choice(({}, {"retry-after": "60"}, {"retry-after": "1"}, {"retry-after": "0"}))
        return {"method": "POST", "execute": "never", "status": 429, "headers": headers}
    if kind == "late":
        # The answer, or the end of the connection, comes at once; the work is done later, whatever the caller does.
        return {"method": "POST", "execute": "last", "delay": 600, "response": "drop"}
    answers: list[Fault] = [{"response": "drop"}, {"response": "html"}, {"response": "html", "status": 200}]
    answers += [{"status": status} for status in STATUSES]
    if kind == "done":
        answers += [{"response": "cut"}, {"response": "garbled"}]
    return {"method": "POST", "execute": "first" if kind == "done" else "never", **draw.choice(answers)}


def look_fault(draw: random.Random) -> Fault:
    """Draw what happens to a read."""
    answers: list[Fault] = [
        {"response": "drop"},
        {"response": "html"},
        {"response": "garbled"},
        {"response": "cut"},
        *({"execute": "never", "status": status} for status in (*STATUSES, 429)),
        {},
        {},
    ]
    return {"method": "GET", **draw.choice(answers)}
