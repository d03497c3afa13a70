"""Run waits on a real Airflow with two triggerers, and publish each version as soon as its wait has deferred.

At that moment, Airflow's scheduler may mistake the report of the deferral for one of the resumed task, and fail it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from chaos.airflow_race import find_raced, find_skip_reason
from chaos.checkers.waits import WaitEnd, check_wait
from chaos.scenario import Finding, Kind, Outcome, Row, Scenario, Setting
from chaos.service import Service, running_service
from chaos.workloads.publish import DIGEST

if TYPE_CHECKING:
    from tests.support.real_airflow import RealAirflow

WAITS = {"worker": 10, "triggerer": 50, "started": 140}
"""How many waits end on a worker, end in the triggerer, and both start and end in the triggerer."""

_PARAMETERS = {
    "worker": {"end_from_trigger": False},
    "triggerer": {},
    "started": {"start_from_trigger": True},
}
_MODELS = 10
_TIMEOUT = 300.0
_DAGS = Path(__file__).resolve().parent.parent / "dags" / "answered"
_ENDED = {"success", "failed", "skipped"}

_ROW = Row("answered", "deferred waits, version published as they defer", "waits", frozenset({Kind.LOST, Kind.RACED}))


def _names() -> list[str]:
    return [f"{kind}-{number}" for kind, count in WAITS.items() for number in range(count)]


def _model_of(name: str) -> str:
    return f"model-{int(name.rpartition('-')[2]) % _MODELS}"


def _waits() -> str:
    return json.dumps(
        [
            {"task_id": name, "model": f"acme/{_model_of(name)}", **_PARAMETERS[name.partition("-")[0]]}
            for name in _names()
        ]
    )


def _run(setting: Setting) -> Iterator[Outcome]:
    from tests.support.real_airflow import running_airflow
    from tests.support.rest_api import RestAPI, until_up

    with running_service(setting.folder / "service") as service:
        for number in range(_MODELS):
            service.add_model(f"model-{number}", 2)
        environment = {
            "WAITS": _waits(),
            "AIRFLOW_CONN_WRIFTAI_DEFAULT": json.dumps(service.connection(service.new_token(), 2)),
            "AIRFLOW__CORE__PARALLELISM": "8",
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "300",
            "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "60",
        }
        with running_airflow(setting.folder, _DAGS, environment, {"triggerer-2": ["triggerer"]}) as airflow:
            until_up(airflow.url)
            with RestAPI(airflow.url) as rest:
                rest.until_dag_exists("answered")
                for number in range(1, setting.runs + 1):
                    run = rest.trigger("answered", round=number).rpartition("/")[2]
                    expected = _publish_until_ended(airflow, service, run, number)
                    yield _outcome(setting, airflow, run, expected)


def _publish_until_ended(airflow: RealAirflow, service: Service, run: str, number: int) -> dict[str, str]:
    """Publish for each wait as soon as it has deferred, until all have ended; return the versions by wait."""
    expected: dict[str, str] = {}
    deadline = time.monotonic() + _TIMEOUT
    while time.monotonic() < deadline:
        states = _states(airflow, run)
        for name, state in states.items():
            if state == "deferred" and name not in expected:
                version = service.publish(_model_of(name), f"{name} in round {number}", DIGEST)
                expected[name] = f"acme/{_model_of(name)}:{version.number}"
        if states and set(states.values()) <= _ENDED:
            break
        time.sleep(0.1)
    return expected


def _states(airflow: RealAirflow, run: str) -> dict[str, str | None]:
    query = "SELECT task_id, state FROM task_instance WHERE dag_id = 'answered' AND run_id = :run"
    return {row[0]: row[1] for row in airflow.fetch(query, run=run)}


def _outcome(setting: Setting, airflow: RealAirflow, run: str, expected: dict[str, str]) -> Outcome:
    states = _states(airflow, run)
    query = "SELECT task_id, value FROM xcom WHERE dag_id = 'answered' AND run_id = :run AND key = 'return_value'"
    results = {row[0]: airflow.read_json(row[1])["reference"] for row in airflow.fetch(query, run=run)}
    raced = find_raced(airflow, [name for name, state in states.items() if state == "failed"])
    findings: list[Finding] = []
    on_worker = 0
    for name in _names():
        if name in raced and name.startswith("worker"):
            # These waits are protected by a delay only, which a slow scheduler can exceed.
            on_worker += 1
        elif name in raced:
            findings.append(Finding(Kind.RACED, name))
        else:
            log = f"{states.get(name)}: {airflow.logs('answered', name)}"
            end = WaitEnd(name, results.get(name), log, 0.0, expected.get(name, "a version"))
            findings += check_wait(end, 0.0)
    setting.log(f"{len(expected)} versions published, {len(results)} found")
    notes = {"waits that end on a worker failed by Airflow's race": float(on_worker)}
    return Outcome(setting.seed, len(expected), len(states), findings=tuple(findings), notes=notes)


SCENARIO = Scenario("answered_waits", (_ROW,), runs=10, quick_runs=0, run=_run, find_skip_reason=find_skip_reason)
