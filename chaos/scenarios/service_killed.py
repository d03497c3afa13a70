"""kill -9 of the sandbox itself, amid publishing, pruning and waiting, and its start with the same database."""

from __future__ import annotations

import random
import secrets
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from control import OWNER
from jobs.job import Job
from jobs.pruning import Pruning
from jobs.publication import Publication
from jobs.wait import Wait
from lanes import spread
from scenario import Finding, Kind, Outcome, Row, Scenario, Setting
from service import Service

LANES = 2
RETRY_DELAY = 1.0

_ROW = Row(
    "service-killed",
    "the service killed (kill -9) and started again",
    "tasks",
    frozenset({Kind.LOST, Kind.DUPLICATED, Kind.WRONGLY_DELETED}),
)


@dataclass(frozen=True, slots=True)
class Outage:
    """One end of the service.

    Attributes:
        after: Seconds until it is killed.
        down: Seconds until it is started again.
        held: What it is at work on when it is killed, as faults that hold requests up.
    """

    after: float
    down: float
    held: tuple[dict[str, Any], ...]


def outages(seed: int) -> tuple[Outage, ...]:
    """Draw when the service ends."""
    draw = random.Random(f"service-killed {seed}")  # noqa: S311
    return tuple(
        Outage(
            after=draw.uniform(0.1, 1.2),
            # The client bridges seconds; what is longer takes another try of the task.
            down=draw.choice((0.0, draw.uniform(0, 2), draw.uniform(4, 9))),
            held=tuple(_held(draw)),
        )
        for _ in range(draw.choice((1, 2, 3)))
    )


def _held(draw: random.Random) -> Iterator[dict[str, Any]]:
    # Whether the work was done cannot be seen by the caller, whose connection breaks either way.
    for method, times in (("POST", 2), ("DELETE", 4)):
        if draw.random() < 0.7:
            yield {"method": method, "times": times, "execute": draw.choice(("first", "never")), "delay": 60}


@dataclass(frozen=True, slots=True)
class _Lane:
    """A place for one round after the other."""

    folder: Path


def _carry_out(setting: Setting) -> Iterator[Outcome]:
    lanes = [_Lane(setting.folder / f"lane-{number}") for number in range(LANES)]
    for lane in lanes:
        lane.folder.mkdir()
    yield from spread(_round, setting.seeds, lanes)


def _round(seed: int, lane: _Lane) -> Outcome:
    """Let everything happen at once on a sandbox that is killed again and again."""
    folder = lane.folder / f"round-{seed}"
    folder.mkdir()
    token = secrets.token_urlsafe(24)
    findings: list[Finding] = []
    with ExitStack() as stack:
        service = stack.enter_context(Service(folder, token))
        generation = 1 + seed % 2
        connection = {
            "conn_type": "wriftai",
            "host": f"{service.url}/generation-{generation}/v1",
            "password": token,
            "extra": {"timeout": 10},
        }
        jobs, waits = _jobs(seed, service, folder, generation)
        pool = stack.enter_context(ThreadPoolExecutor(len(jobs)))
        running = [pool.submit(job.finish, connection, retry_delay=RETRY_DELAY) for job in jobs]
        planned = outages(seed)
        for outage in planned:
            service.control.add_faults(list(outage.held))
            time.sleep(outage.after)
            service.kill()
            time.sleep(outage.down)
            service.start()
            if damage := service.control.damage():
                findings.append(Finding(Kind.LOST, f"the database is damaged: {damage}"))
        for wait in waits:
            wait.publish()
        finished = [each.result() for each in running]
        for job, each in zip(jobs, finished, strict=True):
            findings += job.findings(each, connection)
    errors = [each.error for each in finished if each.has_clear_error]
    return Outcome(
        seed,
        faults=len(planned),
        runs=len(jobs),
        clear_errors=len(errors),
        error=next(iter(errors), ""),
        findings=tuple(findings),
        notes={"tries": sum(each.tries for each in finished)},
    )


def _jobs(seed: int, service: Service, folder: Path, generation: int) -> tuple[list[Job], list[Wait]]:
    draw = random.Random(f"jobs {seed}")  # noqa: S311
    control = service.control
    for name in ("reuse", "other"):
        control.add_model(OWNER, name, draw.choice((0, 3)))
    waits = [
        Wait(control, folder / f"wait-{deferrable}", f"wait-{deferrable}", deferrable=deferrable)
        for deferrable in (True, False)
    ]
    jobs: list[Job] = [
        Publication(control, folder / "reuse", "reuse", "reuse", remembers=draw.random() < 0.5),
        Publication(control, folder / "other", "other", draw.choice(("fail", "create")), remembers=True),
        Pruning(control, folder / "pruned", "pruned", draw=draw, versions=draw.choice((30, 70)), generation=generation),
        *waits,
    ]
    return jobs, waits


SCENARIO = Scenario("service-killed", (_ROW,), runs=20, quick_runs=2, carry_out=_carry_out)
