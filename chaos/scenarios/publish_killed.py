"""kill -9 of the process that publishes, at random moments, and another try."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from control import OWNER
from deaths import Death, outcome_of
from jobs.publication import Publication
from lanes import Lane, on_lanes
from scenario import Kind, Outcome, Row, Scenario, Setting

# Well within the time that the task gives the service to reconcile.
_LATEST = 1.0

_ROW = Row("publish-killed", "publish, its process killed (kill -9)", "tasks", frozenset({Kind.LOST, Kind.DUPLICATED}))


@dataclass(frozen=True, slots=True)
class Plan:
    """What is published, and when its process is killed."""

    generation: int
    mode: str
    remembers: bool
    existing: int
    deaths: tuple[Death, ...]


def plan(seed: int) -> Plan:
    """Draw a plan; generations and modes take turns."""
    draw = random.Random(f"publish-killed {seed}")  # noqa: S311
    mode = ("reuse", "fail", "create")[seed // 2 % 3]
    return Plan(
        generation=1 + seed % 2,
        mode=mode,
        # With "create" and nothing kept, what a killed try made cannot be told from what it did not.
        remembers=mode == "create" or draw.random() < 0.6,
        existing=draw.choice((0, 1, 3, 12)),
        deaths=tuple(_death(draw, f"/killed-{seed}/versions$") for _ in range(draw.choice((1, 1, 2, 3)))),
    )


def _death(draw: random.Random, path: str) -> Death:
    if draw.random() < 0.3:
        return Death(after=draw.uniform(0, 0.4))
    if draw.random() < 0.2:
        return Death(None, "GET", path, draw.choice(("received", "executed")))
    stage, work = draw.choice(
        (("received", "never"), ("received", "last"), ("received", "last"), ("executed", "first"))
    )
    return Death(None, "POST", path, stage, work, draw.uniform(0, _LATEST))


def _carry_out(setting: Setting) -> Iterator[Outcome]:
    yield from on_lanes(_run, setting.seeds, setting.folder)


def _run(seed: int, lane: Lane) -> Outcome:
    planned = plan(seed)
    name = f"killed-{seed}"
    lane.control.add_model(OWNER, name, planned.existing)
    connection = lane.connection(lane.new_token(), planned.generation)
    job = Publication(lane.control, lane.folder / name, name, planned.mode, remembers=planned.remembers)
    return outcome_of(seed, job, planned.deaths, lane, connection)


SCENARIO = Scenario("publish-killed", (_ROW,), runs=150, quick_runs=16, carry_out=_carry_out)
