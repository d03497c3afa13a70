"""A worker whose clock is wrong by days, and is set by days while its tasks run."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from clocked import ClockedProcesses, library
from control import OWNER
from jobs.job import Job
from jobs.pruning import Pruning
from jobs.publication import Publication
from jobs.wait import Wait
from lanes import Lane, open_lane, spread
from scenario import Kind, Outcome, Row, Scenario, Setting

LANES = 2
WAIT_SECONDS = 3.0
# So long are requests held up, so that a task is not over before its clock is set.
_HELD = 0.4

_ROW = Row(
    "clock-jumps",
    "the worker's clock set by days",
    "tasks",
    frozenset({Kind.LOST, Kind.DUPLICATED, Kind.WRONGLY_DELETED}),
)


@dataclass(frozen=True, slots=True)
class _ClockedLane:
    """A sandbox with the true time, and processes with another one."""

    lane: Lane
    processes: ClockedProcesses


def _missing() -> str | None:
    return None if library() is not None else "libfaketime is not there (Debian's package faketime has it)"


def _carry_out(setting: Setting) -> Iterator[Outcome]:
    with ExitStack() as stack:
        lanes = [stack.enter_context(open_lane(setting.folder / f"lane-{number}")) for number in range(LANES)]
        clocked = [
            _ClockedLane(lane, stack.enter_context(ClockedProcesses(setting.folder / f"lane-{number}")))
            for number, lane in enumerate(lanes)
        ]
        yield from spread(_run, setting.seeds, clocked)


@dataclass(frozen=True, slots=True)
class Plan:
    """How wrong the clock is, and when it is set.

    Attributes:
        at_first: Days that it is wrong by when the task starts.
        settings: When it is set, in seconds, and to how many days from the true time. They count from the start of the
            task; with a deferred wait from the start of its trigger: its deadline is a time of day, which worker and
            triggerer have to agree on.
        published_after: Seconds after which what is waited for is published; None for never.
    """

    at_first: float
    settings: tuple[tuple[float, float], ...]
    published_after: float | None


def plan(draw: random.Random) -> Plan:
    """Draw a plan."""
    times = sorted(draw.uniform(0.1, 1.2) for _ in range(draw.choice((1, 2, 3))))
    return Plan(
        at_first=draw.choice((0.0, _days(draw))),
        settings=tuple((each, _days(draw)) for each in times),
        published_after=draw.uniform(0.5, 2) if draw.random() < 0.5 else None,
    )


def _days(draw: random.Random) -> float:
    return draw.choice((-1, 1)) * draw.choice((1 / 24, 1, 7, 30, 400))


def _run(seed: int, clocked: _ClockedLane) -> Outcome:
    draw = random.Random(f"clock-jumps {seed}")  # noqa: S311
    lane, processes = clocked.lane, clocked.processes
    generation, name = 1 + seed % 2, f"clocked-{seed}"
    job = _job(seed, draw, lane, name, generation)
    for fault in _faults(draw, job, name):
        lane.hold(**fault)
    planned = plan(draw)
    to_come = list(planned.settings)
    publishes_after = planned.published_after
    counts_from = None if isinstance(job, Wait) and job.is_deferrable else 0.0
    processes.set_clock(planned.at_first)

    def do_what_is_due(seconds: float) -> bool:
        nonlocal publishes_after, counts_from
        if counts_from is None:
            # The trigger's first look comes after that of the worker.
            if not lane.has_reached("received", "GET", times=2):
                return False
            counts_from = seconds
        seconds -= counts_from
        if to_come and seconds >= to_come[0][0]:
            processes.set_clock(to_come.pop(0)[1])
        if isinstance(job, Wait) and publishes_after is not None and seconds >= publishes_after:
            publishes_after = None
            job.publish()
        return False

    connection = lane.connection(lane.new_token(), generation)
    finished = job.finish(connection, kill_when=do_what_is_due, start=processes.start)
    lane.clear()
    lateness = 0.0
    if isinstance(job, Wait) and finished.last is not None and finished.last.state == "timed out":
        lateness = finished.last.ended - finished.last.began - WAIT_SECONDS
    return Outcome(
        seed,
        faults=(planned.at_first != 0) + len(planned.settings) - len(to_come),
        clear_errors=finished.has_clear_error,
        error=finished.error,
        findings=job.findings(finished, connection),
        notes={"longest time a wait was late by, in seconds": lateness},
    )


def _job(seed: int, draw: random.Random, lane: Lane, name: str, generation: int) -> Job:
    """Make one of each kind in turn."""
    kind, folder = seed // 2 % 4, lane.folder / name
    if kind == 0:
        return Pruning(
            lane.control, folder, name, draw=draw, versions=draw.choice((12, 30)), generation=generation, by_age=True
        )
    if kind == 1:
        lane.control.add_model(OWNER, name, draw.choice((0, 3)))
        return Publication(lane.control, folder, name, draw.choice(("reuse", "create")), remembers=True)
    return Wait(lane.control, folder, name, deferrable=kind == 2, seconds=WAIT_SECONDS)


def _faults(draw: random.Random, job: Job, name: str) -> Iterator[dict[str, Any]]:
    listing = f"/{name}/versions$"
    if draw.random() < 0.3 and not isinstance(job, Wait):
        # By the service's clock; a worker with another one must not wait for days.
        resets_at = f"{time.time() + 2:.0f}"
        headers = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": resets_at}
        yield {"method": "GET", "path": listing, "execute": "never", "status": 429, "headers": headers}
    yield {"method": "GET", "path": listing, "times": 2, "delay": _HELD}
    if isinstance(job, Publication):
        work = draw.choice(("first", "never"))
        yield {"method": "POST", "path": listing, "execute": work, "status": 502, "delay": _HELD}
    if isinstance(job, Pruning) and job.due:
        for each in draw.sample(job.due, min(2, len(job.due))):
            yield {"method": "DELETE", "path": f"/versions/{each}$", "delay": _HELD}


SCENARIO = Scenario("clock-jumps", (_ROW,), runs=56, quick_runs=8, carry_out=_carry_out, missing=_missing)
