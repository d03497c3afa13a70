"""What goes wrong with one prune, drawn from a seed: the same seed gives the same schedule.

Needs nothing but Python, so that a worker in any environment can read it.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

Fault = dict[str, Any]

STATUSES = (500, 502, 503, 504)
# The service is taken to finish what it has begun within two minutes after its caller is gone.
LATEST = 115.0


@dataclass(frozen=True, slots=True)
class PruneSchedule:
    """What goes wrong, and when.

    Attributes:
        seed: What it was drawn from.
        generation: Of the API: 1 or 2.
        versions: How many versions the model has.
        looks: What happens to the reads, one after the other.
        deletes: What happens to the deletes.
        late: Seconds after its delete at which work that is done late is done.
        dies_at: With which request of all the process is killed, counted from 0; None for never.
        dies_before: Whether it is killed before that request, or when its answer has come.
        disturbed_at: Before which delete somebody else publishes and deletes versions; None for never.
        published: How many versions somebody else publishes then.
        deleted: How many of those that are due somebody else deletes then.
        retry_delay: Seconds between the tries of the task.
    """

    seed: int
    generation: int
    versions: int
    looks: tuple[Fault, ...]
    deletes: tuple[Fault, ...]
    late: float
    dies_at: int | None
    dies_before: bool
    disturbed_at: int | None
    published: int
    deleted: int
    retry_delay: float


def prune_schedule(seed: int) -> PruneSchedule:
    """Draw a schedule; the generations take turns."""
    draw = random.Random(f"prune {seed}")  # noqa: S311
    return PruneSchedule(
        seed=seed,
        generation=1 + seed % 2,
        versions=draw.choice((1, 2, 5, 12, 12, 30, 30, 70)),
        looks=tuple(_look_fault(draw) for _ in range(draw.choice((0, 0, 1, 2, 4, 8)))),
        deletes=tuple(_delete_fault(draw) for _ in range(draw.choice((0, 1, 2, 5, 10, 25)))),
        late=draw.uniform(0, LATEST),
        dies_at=draw.randrange(40) if draw.random() < 0.4 else None,
        dies_before=draw.random() < 0.5,
        disturbed_at=draw.randrange(8) if draw.random() < 0.5 else None,
        published=draw.choice((0, 1, 3)),
        deleted=draw.choice((0, 1, 3)),
        retry_delay=draw.choice((0.0, 1.0, 300.0)),
    )


def _delete_fault(draw: random.Random) -> Fault:
    kind = draw.choice(("never", "done", "late", "refused", "not this one"))
    if kind == "refused":
        headers = draw.choice(({}, {"retry-after": "60"}, {"retry-after": "1"}, {"retry-after": "0"}))
        return {"method": "DELETE", "execute": "never", "status": 429, "headers": headers}
    if kind == "not this one":
        return {"method": "DELETE", "execute": "never", "status": draw.choice((403, 404, 409))}
    if kind == "late":
        return {"method": "DELETE", "execute": "last", "delay": 600, "response": "drop"}
    answers: list[Fault] = [{"response": "drop"}, {"response": "html"}, {"response": "html", "status": 200}]
    answers += [{"status": status} for status in STATUSES]
    return {"method": "DELETE", "execute": "first" if kind == "done" else "never", **draw.choice(answers)}


def _look_fault(draw: random.Random) -> Fault:
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
