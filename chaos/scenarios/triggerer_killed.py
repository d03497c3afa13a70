"""kill -9 of a real Airflow's triggerer, again and again, with dozens of waits and two watched models in it."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from importlib import import_module
from typing import Any, Protocol

from control import OWNER
from lanes import Lane, open_lane
from scenario import Kind, Outcome, Row, Scenario, Setting
from streamed import HERE
from triggerer import told, waited
from triggerer.plan import HEARD_OF, VERSIONS, WAITED_FOR, Kill, Plan, Wait, plan
from triggerer.told import Told, read_json
from triggerer.waited import End

_PATIENCE = 300.0
_POSTPONED = 2.0
_AIMED_FOR = 60.0
_ROOT = HERE.parent

_WAITS = Row("waits", "deferred waits, the triggerer killed (kill -9)", "waits", frozenset({Kind.LOST}))
_EVENTS = Row(
    "events",
    "event-driven scheduling, the triggerer killed (kill -9)",
    "versions",
    frozenset({Kind.LOST, Kind.DUPLICATED}),
)


def _missing() -> str | None:
    from importlib.metadata import version

    airflow = version("apache-airflow")
    if tuple(map(int, airflow.split(".")[:2])) < (3, 3):
        return f"Airflow {airflow} keeps no marks, which it takes for events to go on where they were: 3.3 does"
    return None


def _carry_out(setting: Setting) -> Iterator[Outcome]:
    sys.path.insert(0, str(_ROOT))
    running_airflow = import_module("tests.support.real_airflow").running_airflow
    planned = plan(setting.seed, setting.runs)
    with open_lane(setting.folder / "lane") as lane:
        for model in (*WAITED_FOR, *HEARD_OF):
            lane.control.add_model(OWNER, model.rpartition("/")[2], VERSIONS)
        environment = {
            "AIRFLOW_CONN_WRIFTAI_DEFAULT": json.dumps(lane.connection(lane.new_token(), 2)),
            "WAITS": json.dumps([waited.parameters(wait) for wait in planned.waits]),
            "HEARD_OF": json.dumps(HEARD_OF),
        }
        setting.say(f"{len(planned.waits)} waits and {len(planned.published)} versions; Airflow starts")
        with running_airflow(setting.folder, HERE / "dags", environment) as airflow:
            yield from _Night(setting, planned, lane, airflow).outcomes()


class _Airflow(Protocol):
    """What is needed of the running Airflow: see ``real_airflow.RealAirflow``."""

    def kill(self, name: str) -> None:
        """Kill one of its processes, with all that it has started."""

    def start(self, name: str) -> None:
        """Start it again."""

    def ask(self, query: str) -> list[Any]:
        """Ask its database."""

    def logs(self, dag: str, task: str) -> str:
        """Give all that a task logged."""


class _Night:
    """The triggerer's night, from the first wait that is deferred to the last one that has ended."""

    def __init__(self, setting: Setting, planned: Plan, lane: Lane, airflow: _Airflow) -> None:
        self._setting = setting
        self._planned = planned
        self._lane = lane
        self._airflow = airflow
        self._agenda: list[tuple[float, Callable[[], bool]]] = []
        self._began = 0.0
        self._is_up = True
        self._started_at = time.time()
        self._at_kills: list[dict[str, Told]] = []
        self._published: dict[str, str] = {}
        self._heard_of: dict[str, list[int]] = {model: [] for model in HEARD_OF}

    def outcomes(self) -> Iterator[Outcome]:
        """Let everything happen, and tell what came of it."""
        # Before Airflow keeps a mark, events begin with whatever is published from then on.
        self._until("a wait is deferred and the marks are there", self._has_begun)
        self._let_everything_happen()
        self._until("every wait has ended", lambda: not self._unfinished())
        self._until("every version was told", self._all_were_told, patience=60)
        yield self._of_waits()
        yield self._of_events()

    def _let_everything_happen(self) -> None:
        planned = self._planned
        self._agenda = [(kill.at, partial(self._kill, kill)) for kill in planned.kills]
        self._agenda += [(at, partial(self._publish, model)) for at, model in planned.published]
        self._agenda += [
            (wait.published_at, partial(self._publish_for, wait))
            for wait in planned.waits
            if wait.published_at is not None
        ]
        self._began = time.monotonic()
        while self._agenda:
            self._agenda.sort(key=lambda each: each[0])
            at, act = self._agenda.pop(0)
            time.sleep(max(0.0, self._began + at - time.monotonic()))
            if not act():
                self._do_in(_POSTPONED, act)

    def _do_in(self, seconds: float, act: Callable[[], bool]) -> None:
        self._agenda.append((time.monotonic() - self._began + seconds, act))

    def _kill(self, kill: Kill) -> bool:
        if not self._is_up:
            return False
        if kill.is_aimed:
            self._until_an_event_has_no_mark()
        self._airflow.kill("triggerer")
        self._is_up = False
        self._at_kills.append(self._told())
        self._do_in(kill.down, self._start)
        kills, waits = self._planned.kills, self._planned.waits
        left = len(self._unfinished())
        self._setting.say(f"{len(self._at_kills)} of {len(kills)} kills, {left} of {len(waits)} waits left")
        return True

    def _start(self) -> bool:
        self._started_at = time.time()
        self._airflow.start("triggerer")
        self._is_up = True
        return True

    def _until_an_event_has_no_mark(self) -> None:
        """Publish, and wait until Airflow has stored an event and not moved the mark; or for not too long."""
        for model in HEARD_OF:
            self._publish(model)
        deadline = time.monotonic() + _AIMED_FOR
        while time.monotonic() < deadline and not any(each.unmarked_for > 0 for each in self._told().values()):
            time.sleep(0.01)

    def _publish(self, model: str) -> bool:
        """Let somebody publish what is heard of."""
        self._heard_of[model].append(self._add(model, "of somebody", f"sha256:{7:064x}"))
        return True

    def _publish_for(self, wait: Wait) -> bool:
        """Let somebody publish what is waited for, unless it would be there before the wait begins."""
        if wait.is_from_start and self._tasks().get(wait.task, (None,))[0] != "deferred":
            return False
        self._published[wait.task] = f"{wait.model}:{self._add(wait.model, wait.notes, wait.digest)}"
        return True

    def _add(self, model: str, notes: str, digest: str) -> int:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        (made,) = self._lane.control.add_versions(OWNER, model.rpartition("/")[2], [(now, notes, digest)])
        return int(made.rpartition("-")[2])

    def _has_begun(self) -> bool:
        is_deferred = any(state == "deferred" for state, *_ in self._tasks().values())
        return is_deferred and all(each.mark is not None for each in self._told().values())

    def _all_were_told(self) -> bool:
        now_told = self._told()
        return all(now_told[model].times[number] for model, numbers in self._heard_of.items() for number in numbers)

    def _unfinished(self) -> list[str]:
        tasks = self._tasks()
        ended = {name for name, (state, *_) in tasks.items() if state in ("success", "failed", "skipped")}
        return [wait.task for wait in self._planned.waits if wait.task not in ended]

    def _tasks(self) -> dict[str, tuple[str | None, datetime | None, datetime | None, int]]:
        rows = self._airflow.ask(
            "SELECT task_id, state, start_date, end_date, try_number FROM task_instance WHERE dag_id = 'waits'"
        )
        return {row[0]: (row[1], row[2], row[3], row[4]) for row in rows}

    def _told(self) -> dict[str, Told]:
        return told.read(self._airflow.ask, HEARD_OF, self._started_at)

    def _until(self, what: str, done: Callable[[], bool], patience: float = _PATIENCE) -> None:
        """Ask until something is so; what never is shows in what is told of the end."""
        deadline = time.monotonic() + patience
        while not done() and time.monotonic() < deadline:
            time.sleep(0.5)
        self._setting.say(f"{what}: {'yes' if done() else 'no'}")

    def _of_waits(self) -> Outcome:
        tasks = self._tasks()
        returned = {
            task: read_json(value).get("reference")
            for task, value in self._airflow.ask(
                "SELECT task_id, value FROM xcom WHERE dag_id = 'waits' AND key = 'return_value'"
            )
        }
        ends = {
            wait.task: End(
                *tasks.get(wait.task, (None, None, None, 0)),
                returned.get(wait.task),
                self._airflow.logs("waits", wait.task),
            )
            for wait in self._planned.waits
        }
        timed_out = [
            wait
            for wait in self._planned.waits
            if wait.task not in self._published and ends[wait.task].began and ends[wait.task].ended
        ]
        late = [waited.lateness(wait, ends[wait.task]) for wait in timed_out]
        return Outcome(
            self._setting.seed,
            faults=len(self._at_kills),
            runs=len(self._planned.waits),
            clear_errors=sum("was not there in time" in ends[wait.task].log for wait in timed_out),
            findings=tuple(
                finding
                for wait in self._planned.waits
                for finding in waited.judge(wait, ends[wait.task], self._published)
            ),
            notes={
                "found": len(returned),
                # Where a trigger fires before the scheduler has dealt with the deferral: apache/airflow#71580.
                "failed by Airflow's scheduler and tried again": sum(end.tries > 1 for end in ends.values()),
                "longest time a wait was late by, in seconds": max(late, default=0.0),
            },
            row=_WAITS.name,
        )

    def _of_events(self) -> Outcome:
        finally_told = self._told()
        windows = [each.unmarked_for for told_then in self._at_kills for each in told_then.values()]
        return Outcome(
            self._setting.seed,
            faults=len(self._at_kills),
            runs=sum(map(len, self._heard_of.values())),
            findings=tuple(
                finding
                for model, numbers in self._heard_of.items()
                for finding in told.judge(
                    model, numbers, finally_told[model], [told_then[model] for told_then in self._at_kills]
                )
            ),
            notes={
                "kills between an event and its mark": sum(window > 0 for window in windows),
                "told again because of that": told.told_again(finally_told),
                "longest time an event had no mark, in seconds": max(windows, default=0.0),
            },
            row=_EVENTS.name,
        )


SCENARIO = Scenario(
    "triggerer-killed",
    (_WAITS, _EVENTS),
    runs=12,
    quick_runs=0,
    carry_out=_carry_out,
    missing=_missing,
    tells_itself=True,
)
