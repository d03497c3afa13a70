"""kill -9 of the process that prunes, at random moments, and another try."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from deaths import Death, outcome_of
from jobs.pruning import Pruning
from lanes import Lane, on_lanes
from scenario import Kind, Outcome, Row, Scenario, Setting

_LATEST = 0.5

_ROW = Row("prune-killed", "prune, its process killed (kill -9)", "tasks", frozenset({Kind.LOST, Kind.WRONGLY_DELETED}))


def _carry_out(setting: Setting) -> Iterator[Outcome]:
    yield from on_lanes(_run, setting.seeds, setting.folder)


def _run(seed: int, lane: Lane) -> Outcome:
    draw = random.Random(f"prune-killed {seed}")  # noqa: S311
    generation, name = 1 + seed % 2, f"pruned-{seed}"
    job = Pruning(
        lane.control,
        lane.folder / name,
        name,
        draw=draw,
        versions=draw.choice((12, 30, 70, 150)),
        generation=generation,
    )
    planned = [_death(draw, name, job.due) for _ in range(draw.choice((1, 1, 2, 3)))]
    connection = lane.connection(lane.new_token(), generation)
    due = {"versions that were due": len(job.due)}
    return outcome_of(seed, job, planned, lane, connection, **due)


def _death(draw: random.Random, name: str, due: Sequence[str]) -> Death:
    if draw.random() < 0.3:
        return Death(after=draw.uniform(0, 0.5))
    if draw.random() < 0.2 or not due:
        return Death(None, "GET", f"/{name}/versions$", draw.choice(("received", "executed")))
    stage, work = draw.choice((("received", "never"), ("received", "last"), ("executed", "first")))
    return Death(None, "DELETE", f"/versions/{draw.choice(due)}$", stage, work, draw.uniform(0, _LATEST))


SCENARIO = Scenario("prune-killed", (_ROW,), runs=150, quick_runs=16, carry_out=_carry_out)
