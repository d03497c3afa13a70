"""Run a real Airflow whose triggerers are killed, stopped, and frozen, and whose tasks are marked and cleared.

Two triggerers run dozens of waits and the watcher of a model. Some versions are published as soon as their wait
defers, one has poisoned release notes, and the token of the connection is replaced. Tasks that publish and prune are
interrupted while one of their requests is in progress.
"""

from __future__ import annotations

import itertools
import json
import random
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chaos.airflow_race import find_raced, find_skip_reason
from chaos.checkers.events import check_events
from chaos.checkers.waits import WaitEnd, check_wait
from chaos.kill_points import HOLD_SECONDS
from chaos.scenario import Finding, Kind, Outcome, Row, Scenario, Setting
from chaos.service import Service, running_service
from chaos.workloads.prune import PruneWorkload
from chaos.workloads.publish import DIGEST, PublishWorkload

if TYPE_CHECKING:
    from tests.support.real_airflow import RealAirflow

_TIMEOUT = 300.0
_FREEZE_SECONDS = 25.0
"""How long a triggerer is frozen: long enough for the other one to take over."""
_FOLLOW_SECONDS = 310.0
"""The time within which long waits follow a change of their connection."""
_MAX_LATENESS = 180.0
"""How late a wait may end, because its triggerer may be down at its deadline."""
_POISON = "a" * 40 + "!"
_DAGS = Path(__file__).resolve().parent.parent / "dags" / "operated"

_WAITS = Row(
    "waits", "deferred waits, triggerers killed, stopped, and frozen", "waits", frozenset({Kind.LOST, Kind.RACED})
)
_EVENTS = Row(
    "events", "events of a watched model, under the same faults", "versions", frozenset({Kind.LOST, Kind.DUPLICATED})
)
_TASKS = Row(
    "operated",
    "publish and prune, marked or cleared in mid-request",
    "tasks",
    frozenset(Kind) - {Kind.RACED, Kind.OTHER},
)


@dataclass
class _Wait:
    """A wait.

    Attributes:
        round: The round in which its version is published; 0 for as soon as it defers, None for never.
    """

    name: str
    round: int | None
    timeout: float = 3600.0
    extra: dict[str, Any] = field(default_factory=dict)
    expected: str | None = None

    def arguments(self) -> dict[str, Any]:
        criterion = {"release_notes": f"^for {self.name}$"} | self.extra
        return {"task_id": self.name, "model": "acme/waited", "timeout": self.timeout, **criterion}


def _draw_waits(draw: random.Random, rounds: int) -> list[_Wait]:
    endings: list[dict[str, Any]] = [{}, {"end_from_trigger": False}, {"start_from_trigger": True}]
    waits = [_Wait(f"instant-{n}", 0, extra=endings[n % 2]) for n in range(10)]
    waits += [_Wait(f"later-{n}", draw.randint(1, rounds), extra=endings[n % 3]) for n in range(12)]
    waits += [_Wait(f"never-{n}", None, draw.uniform(45, 150), endings[n % 2]) for n in range(4)]
    # This pattern backtracks almost forever on the release notes of the poisoned version.
    waits += [_Wait(f"poisoned-{n}", None, 60.0, {"release_notes": "^(a|aa)+$"}) for n in range(2)]
    return waits


class _Run:
    """One run: its actions and observations."""

    def __init__(self, setting: Setting, service: Service, airflow: RealAirflow, waits: list[_Wait]) -> None:
        from tests.support.rest_api import RestAPI, until_up

        self.setting = setting
        self.service = service
        self.airflow = airflow
        self.waits = waits
        self.faults = 0
        self.published: list[str] = []
        self.unconfirmed: list[frozenset[str]] = []
        until_up(airflow.url)
        self._http = RestAPI(airflow.url)._http
        self._token = ""

    def send(self, method: str, path: str, **body: Any) -> None:
        """Send a request to Airflow's REST API."""
        response = self._http.request(method, path, json=body)
        if response.status_code >= 300:
            raise RuntimeError(f"{method} {path}: {response.status_code} {response.text}")

    def set_connection(self, method: str) -> str:
        """Create or change the connection, with a new token; return the previous token."""
        previous, self._token = self._token, self.service.new_token()
        connection = self.service.connection(self._token, 2)
        del connection["extra"]
        path = "/connections" + ("/wriftai_default" if method == "PATCH" else "")
        self.send(method, path, connection_id="wriftai_default", **connection)
        return previous

    def until(self, what: str, is_done: Callable[[], Any], timeout: float = _TIMEOUT) -> bool:
        """Wait for a condition, and publish for waits that defer meanwhile.

        A timeout is no error here: the checks find what is missing.
        """
        deadline = time.monotonic() + timeout
        while not (done := bool(is_done())) and time.monotonic() < deadline:
            self.publish_for(lambda wait: wait.round == 0)
            time.sleep(0.3)
        self.setting.log(f"{what}: {'yes' if done else 'no'}")
        return done

    def states(self, dag: str) -> dict[str, tuple[str | None, int, datetime | None, datetime | None]]:
        """Return the state, try number, start, and end of each task of a DAG."""
        query = "SELECT task_id, state, try_number, start_date, end_date FROM task_instance WHERE dag_id = :dag"
        return {row[0]: (row[1], row[2], row[3], row[4]) for row in self.airflow.fetch(query, dag=dag)}

    def unfinished(self, dag: str) -> list[str]:
        """Return the tasks of a DAG that have not ended."""
        ended = ("success", "failed", "skipped")
        # Also wait for the end of the run: a clear is lost while the scheduler is about to end it.
        runs = [row[0] for row in self.airflow.fetch("SELECT state FROM dag_run WHERE dag_id = :dag", dag=dag)]
        return [name for name, row in self.states(dag).items() if row[0] not in ended or not {*runs} <= {*ended}]

    def publish_for(self, is_due: Callable[[_Wait], bool]) -> None:
        """Publish the versions of the due waits that have deferred."""
        pending = [wait for wait in self.waits if wait.round is not None and wait.expected is None and is_due(wait)]
        deferred = {name for name, row in self.states("waits").items() if row[0] == "deferred"} if pending else set()
        for wait in pending:
            if wait.name in deferred:
                version = self.service.publish("waited", f"for {wait.name}", DIGEST)
                wait.expected = f"acme/waited:{version.number}"

    def publish_watched(self, count: int) -> None:
        """Publish versions of the watched model."""
        for _ in range(count):
            self.published.append(f"acme/watched:{self.service.publish('watched', 'x', DIGEST).number}")

    def delivered(self) -> list[str]:
        """Return the versions of the watched model that have an event, in order."""
        extras = (event.get("payload", event) for event in self.airflow.events())
        return [extra["reference"] for extra in extras if extra.get("reference", "").startswith("acme/watched:")]

    def find_unconfirmed(self, *, is_frozen: bool = False) -> frozenset[str]:
        """Return which versions may be delivered once more, because no checkpoint covers them yet."""
        checkpoint = max((checkpoint.get("number") or 0 for checkpoint in self.airflow.checkpoints()), default=0)
        delivered = self.delivered()
        beyond = {each for each in delivered if int(each.rpartition(":")[2]) > checkpoint}
        # A frozen triggerer may be about to deliver one more.
        next_version = [each for each in self.published if each not in delivered][:1] if is_frozen else []
        return frozenset(beyond.union(next_version))

    def end_triggerer(self, name: str, how: signal.Signals, down: float) -> None:
        """Kill, stop, or freeze a triggerer while it delivers events, and start or resume it afterwards."""
        import psutil

        process = psutil.Process(self.airflow.pid(name))
        family = [process, *process.children(recursive=True)]
        self.publish_watched(4)
        self.until("events are being delivered", lambda: self.published[-4] in self.delivered(), 60)
        self.setting.log(f"Sending {how.name} to {name}")
        self.faults += 1
        if how is signal.SIGSTOP:
            for each in family:
                each.send_signal(signal.SIGSTOP)
            self.unconfirmed.append(self.find_unconfirmed(is_frozen=True))
            self.publish_watched(2)
            time.sleep(_FREEZE_SECONDS)
            for each in family:
                each.send_signal(signal.SIGCONT)
            return
        unconfirmed: frozenset[str] = frozenset()
        if how is signal.SIGTERM:
            process.send_signal(how)
            unconfirmed = self.find_unconfirmed(is_frozen=True)
            self.until("it has stopped", lambda: process.status() == psutil.STATUS_ZOMBIE, 60)
        self.airflow.kill(name)
        self.unconfirmed.append(unconfirmed | self.find_unconfirmed())
        self.publish_watched(2)
        time.sleep(down)
        self.airflow.start(name)

    def interrupt(self, workload: PublishWorkload | PruneWorkload, how: str, execute: str) -> None:
        """Mark or clear a task while one of its requests is in progress."""
        task, stage = workload.task.folder.name, "executed" if execute == "first" else "received"
        assert workload.change is not None
        method, path = workload.change
        if self.until(f"{task} sends its request", lambda: self.service.find_event(stage, method, path), 90):
            self.faults += 1
        if how == "clear":
            self.clear([task])
        else:
            self.send("PATCH", f"/dags/operated/dagRuns/operated/taskInstances/{task}", new_state=how)
        self.setting.log(f"{task}: {how}")

    def clear(self, tasks: list[str]) -> None:
        """Clear tasks, as a user does."""
        options = {"dry_run": False, "only_failed": False, "reset_dag_runs": True, "dag_run_id": "operated"}
        self.send("POST", "/dags/operated/clearTaskInstances", task_ids=tasks, **options)

    def outcome_of_waits(self) -> Outcome:
        """Check the waits."""
        states, findings, late = self.states("waits"), [], [0.0]
        raced = find_raced(self.airflow, [wait.name for wait in self.waits])
        ends = []
        for wait in self.waits:
            state, _, began, ended = states[wait.name]
            results = self.airflow.results("waits", wait.name)
            seconds = (ended - began).total_seconds() - wait.timeout if began and ended else _TIMEOUT
            log = f"{state}: {self.airflow.logs('waits', wait.name)}"
            reference = results[0]["reference"] if results else None
            ends.append(WaitEnd(wait.name, reference, log, seconds, wait.expected))
            if state == "failed" and wait.name in raced:
                findings.append(Finding(Kind.RACED, wait.name))
            elif not wait.name.startswith("poisoned"):
                findings += check_wait(ends[-1], _MAX_LATENESS)
                late += [seconds] if wait.expected is None else []
            elif state != "failed":
                findings.append(Finding(Kind.OTHER, f"{wait.name} ended {state}"))
        errors = sum(end.reference is None and end.expected is None for end in ends)
        notes = {
            "waits that found their version": float(len(ends) - errors),
            "longest seconds that a wait ended late": max(late),
        }
        return Outcome(self.setting.seed, self.faults, len(ends), errors, findings=tuple(findings), notes=notes)

    def outcome_of_events(self) -> Outcome:
        """Check the events."""
        delivered = self.delivered()
        notes = {
            "interruptions between an event and its checkpoint": float(sum(map(bool, self.unconfirmed))),
            "events delivered again": float(len(delivered) - len(set(delivered))),
        }
        findings = check_events(self.published, delivered, self.unconfirmed)
        return Outcome(
            self.setting.seed, self.faults, len(self.published), findings=findings, notes=notes, row=_EVENTS.name
        )


def _run(setting: Setting) -> Iterator[Outcome]:
    from tests.support.real_airflow import running_airflow

    draw = random.Random(f"airflow {setting.seed}")  # noqa: S311
    waits = _draw_waits(draw, setting.runs)
    with running_service(setting.folder / "service") as service:
        for model in ("waited", "watched"):
            service.add_model(model, 2)
        service.publish("waited", _POISON, DIGEST)
        service.store.create_version(
            "acme",
            "waited",
            release_notes="poison",
            schemas={"prediction": {"input": {"__classname__": "os.system", "__type": "x", "__var": {}}}},
            container_image_digest=DIGEST,
        )
        # Each task is interrupted once, during a request. Afterwards, it is cleared and must succeed.
        cases = list(itertools.product(("publish", "prune"), ("failed", "success", "clear"), ("first", "never")))
        workloads = [_workload(kind, f"{kind}-{n}", service, draw) for n, (kind, _, _) in enumerate(cases)]
        environment = {
            "WAITS": json.dumps([wait.arguments() for wait in waits]),
            "WATCHED": "acme/watched",
            "OPERATED": json.dumps(
                [(each.task.operator, {"task_id": each.task.folder.name, **each.task.arguments}) for each in workloads]
            ),
            "AIRFLOW__CORE__PARALLELISM": "8",
        }
        dags = setting.folder.joinpath("dags")
        dags.symlink_to(_DAGS)
        with running_airflow(setting.folder, dags, environment, {"triggerer-2": ["triggerer"]}) as airflow:
            run = _Run(setting, service, airflow, waits)
            run.set_connection("POST")
            run.until("the DAGs are parsed", lambda: airflow.fetch("SELECT count(*) FROM dag")[0][0] == 3)
            run.send("POST", "/dags/waits/dagRuns", logical_date=datetime.now(UTC).isoformat())
            run.until("the waits have deferred", lambda: not run.unfinished("waits") or _all_deferred(run))
            run.until("the watcher has a checkpoint", airflow.checkpoints)
            previous, changed_at = run.set_connection("PATCH"), time.monotonic()
            signals = (signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM)
            for number in range(1, setting.runs + 1):
                how = signals[(setting.seed + number) % 3]
                run.end_triggerer(("triggerer", "triggerer-2")[number % 2], how, draw.choice((0.0, 3.0, 12.0)))
                run.publish_for(lambda wait, number=number: wait.round <= number)  # type: ignore[misc]
            yield _interrupt_all(run, workloads, cases)
            time.sleep(max(0.0, changed_at + _FOLLOW_SECONDS - time.monotonic()))
            service.revoke(previous)
            run.publish_watched(2)
            run.publish_for(lambda wait: True)
            run.until("all waits have ended", lambda: not run.unfinished("waits"))
            run.until("all versions have an event", lambda: set(run.published) <= set(run.delivered()), 90)
            yield run.outcome_of_waits()
            yield run.outcome_of_events()


def _all_deferred(run: _Run) -> bool:
    waiting = {wait.name for wait in run.waits if wait.expected is None}
    states = run.states("waits")
    return waiting <= {name for name, row in states.items() if row[0] in ("deferred", "failed")}


def _workload(kind: str, name: str, service: Service, draw: random.Random) -> PublishWorkload | PruneWorkload:
    if kind == "publish":
        service.add_model(name, 3)
        return PublishWorkload(service, name, 2, draw.choice(("reuse", "fail", "create")), has_store=True)
    for attempt in itertools.count():
        workload = PruneWorkload(service, f"{name}-{attempt}", 2, draw, 30)
        if workload.change is not None and "max_deletions" not in workload.task.arguments:
            break
    return workload


def _interrupt_all(
    run: _Run, workloads: list[PublishWorkload | PruneWorkload], cases: list[tuple[str, str, str]]
) -> Outcome:
    """Interrupt each task once, clear it, and check its result."""
    triggerer_faults, run.faults = run.faults, 0
    for workload, (_, _, execute) in zip(workloads, cases, strict=True):
        assert workload.change is not None
        method, path = workload.change
        run.service.add_faults([{"method": method, "path": path, "execute": execute, "delay": HOLD_SECONDS}])
    run.send("POST", "/dags/operated/dagRuns", dag_run_id="operated", logical_date=datetime.now(UTC).isoformat())
    for workload, (_, how, execute) in zip(workloads, cases, strict=True):
        run.interrupt(workload, how, execute)
    run.service.end_faults()
    interrupted, run.faults = run.faults, triggerer_faults
    names = [workload.task.folder.name for workload in workloads]
    run.until("the interrupted tasks have ended", lambda: not run.unfinished("operated"))
    run.clear(names)
    run.until("the cleared tasks have ended", lambda: not run.unfinished("operated"))
    states = run.states("operated")
    findings: list[Finding] = []
    for workload, name in zip(workloads, names, strict=True):
        results = run.airflow.results("operated", name)
        log = f"{states[name][0]}: {run.airflow.logs('operated', name)[-2000:]}"
        findings += workload.check_returned(results[0] if states[name][0] == "success" and results else None, log)
    return Outcome(run.setting.seed, interrupted, len(workloads), findings=tuple(findings), row=_TASKS.name)


SCENARIO = Scenario(
    "airflow", (_WAITS, _EVENTS, _TASKS), runs=6, quick_runs=0, run=_run, find_skip_reason=find_skip_reason
)
