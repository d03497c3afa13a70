"""A full disk under the sandbox's database, amid publishing and pruning, and room again."""

from __future__ import annotations

import http.client
import json
import random
import secrets
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from control import OWNER
from disk import Disk, LimitedFiles, may_mount, small_file_system
from jobs.job import Job
from jobs.pruning import Pruning
from jobs.publication import Publication
from lanes import spread
from scenario import Finding, Kind, Outcome, Row, Scenario, Setting
from scheduler import Finished
from service import Service
from tasks import DIGEST

LANES = 4
RETRY_DELAY = 0.5

_ROW = Row(
    "disk-full",
    "the disk of the service's database full",
    "tasks",
    frozenset({Kind.LOST, Kind.DUPLICATED, Kind.WRONGLY_DELETED}),
)


@dataclass(frozen=True, slots=True)
class Plan:
    """When the disk is full, and outcome.

    Attributes:
        after: Seconds from the start of the tasks until it is.
        slack: Bytes that can still be written then.
        seconds: For how long; None until every task has given up.
    """

    after: float
    slack: int
    seconds: float | None


def plan(seed: int) -> Plan:
    """Draw a plan."""
    draw = random.Random(f"disk-full {seed}")  # noqa: S311
    return Plan(
        after=draw.choice((0.0, draw.uniform(0, 0.3))),
        slack=draw.choice((0, draw.randrange(4096), draw.randrange(65536))),
        seconds=draw.uniform(0.2, 3) if draw.random() < 0.6 else None,
    )


@dataclass(frozen=True, slots=True)
class _Lane:
    """A place for one round after the other."""

    folder: Path
    may_mount: bool


def _carry_out(setting: Setting) -> Iterator[Outcome]:
    mounts = may_mount(setting.folder)
    if not mounts:
        setting.say("This user may not mount file systems: the limit on the size of files stands for a full disk.")
    lanes = [_Lane(setting.folder / f"lane-{number}", mounts) for number in range(LANES)]
    for lane in lanes:
        lane.folder.mkdir()
    yield from spread(_round, setting.seeds, lanes)


def _round(seed: int, lane: _Lane) -> Outcome:
    folder = lane.folder / f"round-{seed}"
    at = folder / "disk"
    at.mkdir(parents=True)
    token = secrets.token_urlsafe(24)
    planned, generation = plan(seed), 1 + seed % 2
    with ExitStack() as stack:
        is_real = lane.may_mount and seed // 2 % 2 == 0
        disk = stack.enter_context(small_file_system(at)) if is_real else LimitedFiles(at)
        service = stack.enter_context(Service(folder, token, database=at / "sandbox.db"))
        connection = {
            "conn_type": "wriftai",
            "host": f"{service.url}/generation-{generation}/v1",
            "password": token,
            "extra": {"timeout": 10, "retry_attempts": 3},
        }
        jobs = _jobs(seed, service, folder, generation)
        pool = stack.enter_context(ThreadPoolExecutor(len(jobs)))
        running = [pool.submit(job.finish, connection, retry_delay=RETRY_DELAY) for job in jobs]
        answers, findings = _fill(disk, service, planned, running, token)
        finished = [each.result() for each in running]
        for job, each in zip(jobs, finished, strict=True):
            findings += job.findings(each, connection)
        if damage := service.control.damage():
            findings.append(Finding(Kind.LOST, f"the database is damaged: {damage}"))
    errors = [each.error for each in finished if each.has_clear_error]
    return Outcome(
        seed,
        faults=1,
        runs=len(jobs),
        clear_errors=len(errors),
        error=next(iter(errors), ""),
        findings=tuple(findings),
        notes={
            "tries": sum(each.tries for each in finished),
            "really full file systems": is_real,
            **{f"creates answered {status} meanwhile": number for status, number in answers.items()},
        },
    )


def _fill(
    disk: Disk, service: Service, planned: Plan, running: list[Future[Finished]], token: str
) -> tuple[Counter[int], list[Finding]]:
    """Let the disk be full for a while; gives what the service answered meanwhile, and what is wrong with that."""
    time.sleep(planned.after)
    disk.fill(service.pid, planned.slack)
    answers: Counter[int] = Counter()
    findings: list[Finding] = []
    try:
        ends = time.monotonic() + planned.seconds if planned.seconds is not None else float("inf")
        while time.monotonic() < ends and not all(each.done() for each in running):
            try:
                answers[_create(service.url, token)] += 1
            except (OSError, http.client.HTTPException) as error:
                findings.append(Finding(Kind.OTHER, f"the service does not answer: {error!r}"))
            wait(running, timeout=0.2)
    finally:
        disk.make_room(service.pid)
    return answers, findings


def _create(url: str, token: str) -> int:
    """Ask the service for a version, as anybody does; tells what status it answers."""
    body = {
        "release_notes": "x",
        "schemas": {"prediction": {"input": {}, "output": {}}},
        "container_image_digest": DIGEST,
    }
    with closing(http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)) as connection:
        path = f"/v1/models/{OWNER}/somebody-elses/versions"
        connection.request("POST", path, json.dumps(body), {"authorization": f"Bearer {token}"})
        return connection.getresponse().status


def _jobs(seed: int, service: Service, folder: Path, generation: int) -> list[Job]:
    draw = random.Random(f"jobs {seed}")  # noqa: S311
    control = service.control
    for name in ("somebody-elses", "reuse", "other"):
        control.add_model(OWNER, name, draw.choice((0, 3)))
    return [
        Publication(control, folder / "reuse", "reuse", "reuse", remembers=draw.random() < 0.5),
        Publication(control, folder / "other", "other", draw.choice(("fail", "create")), remembers=True),
        Pruning(control, folder / "pruned", "pruned", draw=draw, versions=draw.choice((12, 30)), generation=generation),
    ]


SCENARIO = Scenario("disk-full", (_ROW,), runs=20, quick_runs=4, carry_out=_carry_out)
