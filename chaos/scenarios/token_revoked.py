"""A token that is revoked amid publishing, pruning and waiting, and another one afterwards."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from typing import Any

from control import OWNER
from jobs.job import Job
from jobs.pruning import Pruning
from jobs.publication import Publication
from jobs.wait import Wait
from lanes import Lane, on_lanes
from scenario import Finding, Kind, Outcome, Row, Scenario, Setting

# Seconds that a request is held up, in which the token is revoked.
_HELD = 0.3

_ROW = Row(
    "token-revoked",
    "the token revoked, and another one given",
    "tasks",
    frozenset({Kind.LOST, Kind.DUPLICATED, Kind.WRONGLY_DELETED}),
)


def _carry_out(setting: Setting) -> Iterator[Outcome]:
    yield from on_lanes(_run, setting.seeds, setting.folder)


def _run(seed: int, lane: Lane) -> Outcome:
    draw = random.Random(f"token-revoked {seed}")  # noqa: S311
    generation, name = 1 + seed % 2, f"revoked-{seed}"
    job = _job(seed, draw, lane, name, generation)
    token = lane.new_token()
    moment = _moment(draw, job, name)
    if moment is not None:
        lane.hold(delay=_HELD, **moment)
    after = draw.uniform(0, 0.4)
    revoked_at: float | None = None

    def revoke_when_due(seconds: float) -> bool:
        nonlocal revoked_at
        stage = "received" if moment is not None and moment["execute"] == "last" else "executed"
        due = seconds >= after if moment is None else lane.has_reached(stage, moment["method"])
        if due and revoked_at is None:
            lane.control.revoke_token(token)
            revoked_at = time.monotonic()
        return False

    finished = job.finish(lane.connection(token, generation), kill_when=revoke_when_due)
    lane.clear()
    findings = job.findings(finished, lane.connection(lane.new_token(), generation))
    last = finished.last
    if last is not None and revoked_at is not None and not finished.succeeded and "401" in last.error:
        if last.state != "failed for good":
            findings += (Finding(Kind.OTHER, f"it was tried {finished.tries} times: {last.error}"),)
        if token in last.error:
            findings += (Finding(Kind.OTHER, "the token is in the error"),)
    return Outcome(
        seed,
        faults=revoked_at is not None,
        clear_errors=finished.has_clear_error,
        error=finished.error,
        findings=findings,
        notes={"ended well before they noticed": finished.succeeded},
    )


def _job(seed: int, draw: random.Random, lane: Lane, name: str, generation: int) -> Job:
    """Make one of each kind in turn."""
    kind = seed // 2 % 4
    folder = lane.folder / name
    if kind == 0:
        lane.control.add_model(OWNER, name, draw.choice((0, 3, 12)))
        mode = draw.choice(("reuse", "fail", "create"))
        return Publication(lane.control, folder, name, mode, remembers=mode == "create" or draw.random() < 0.6)
    if kind == 1:
        return Pruning(lane.control, folder, name, draw=draw, versions=draw.choice((30, 70)), generation=generation)
    return Wait(lane.control, folder, name, deferrable=kind == 2)


def _moment(draw: random.Random, job: Job, name: str) -> dict[str, Any] | None:
    """Draw the request that is under way when the token is revoked, as a fault; None: a time says when."""
    if draw.random() < 0.2:
        return None
    listing = f"/{name}/versions$"
    if isinstance(job, Pruning) and job.due and draw.random() < 0.8:
        return {
            "method": "DELETE",
            "path": f"/versions/{draw.choice(job.due)}$",
            "execute": draw.choice(("first", "last")),
        }
    if isinstance(job, Publication) and draw.random() < 0.8:
        return {
            "method": "POST",
            "path": listing,
            "execute": draw.choice(("first", "last")),
            "status": draw.choice((None, None, 502)),
        }
    return {"method": "GET", "path": listing, "execute": draw.choice(("first", "last"))}


SCENARIO = Scenario("token-revoked", (_ROW,), runs=120, quick_runs=16, carry_out=_carry_out)
