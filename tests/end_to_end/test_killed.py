"""Kill tasks of a real scheduler and executor: a publish makes one version, and a prune deletes no wrong one."""

from __future__ import annotations

import json
import signal
from collections import Counter
from collections.abc import Callable, Container, Iterable, Mapping
from pathlib import Path
from typing import Any

import airflow as airflow_itself
import psutil
import pytest

from airflow_provider_wriftai.sandbox.app import create_app
from airflow_provider_wriftai.sandbox.faults import Fault, Faults
from airflow_provider_wriftai.sandbox.server import running
from tests.support.real_airflow import (
    AIRFLOW_2,
    HAS_STORES,
    RealAirflow,
    one_task_at_a_time,
    process_at,
    running_airflow,
)
from tests.support.sandbox import Sandbox, find_requests

# With a shorter delay, Airflow 2 may mistake the next try for the dead task.
RETRY_DELAY = "15" if AIRFLOW_2 else "1"

# Without a state store, the second try would find its own version ("fail") or create another one ("create").
MODES = ["reuse", "fail", "create"] if HAS_STORES else ["reuse"]

# Airflow 3.0 retries a task only if its worker was killed too.
KILL = "kill with worker" if airflow_itself.__version__.startswith("3.0.") else "kill"

# For each moment: the request that the service delays, the stage at which the process is hit, and how it is hit.
MOMENTS: Mapping[str, tuple[Fault, str, str]] = {
    "searching": (Fault(method="GET", delay=60), "received", KILL),
    "never-executed": (Fault(method="POST", execute="never", delay=60), "received", KILL),
    "executed-later": (Fault(method="POST", execute="last", delay=60), "received", KILL),
    "executed": (Fault(method="POST", delay=60), "executed", KILL),
    "with-its-worker": (Fault(method="POST", delay=60), "executed", "kill with worker"),
    # The process is suspended, Airflow declares it dead and starts another try, and then the process continues.
    "suspended": (Fault(method="GET", delay=60), "received", "suspend with worker"),
}
if one_task_at_a_time():
    # A suspended task would block all others.
    MOMENTS = {moment: details for moment, details in MOMENTS.items() if moment != "suspended"}
# Whether a try can find out that Airflow has replaced it: from the database, or from the state store.
CAN_FIND_OUT = AIRFLOW_2 or HAS_STORES
CREATED_BY_LAST_TRY = ("searching", "never-executed", "suspended")


def _signal(task: psutil.Process, action: str) -> list[psutil.Process]:
    """Kill or suspend a task's process, and its worker if the action says so; return the suspended processes."""
    worker = task.parent() if "with worker" in action else None
    processes = [process for process in (worker, task) if process is not None]
    for process in processes:
        process.send_signal(signal.SIGKILL if action.startswith("kill") else signal.SIGSTOP)
    return processes if action.startswith("suspend") else []


def _resume(suspended: Iterable[psutil.Process], tasks: Container[int]) -> None:
    """Let suspended processes go on, and wait until the tasks among them have ended."""
    for process in suspended:
        process.send_signal(signal.SIGCONT)
    _, alive = psutil.wait_procs([each for each in suspended if each.pid in tasks], timeout=60)
    assert not alive


@pytest.mark.long
@pytest.mark.timeout(600)
def test_one_version_whatever_happens_to_the_task(
    sandbox: Sandbox, tmp_path: Path, repository: Path, shows: Callable[[str], None]
) -> None:
    faults = Faults()
    dags = [f"{moment}-{mode}" for moment in (*MOMENTS, "answered") for mode in MODES]
    for dag in dags:
        sandbox.store.add_model("acme", dag)
        if fault := MOMENTS.get(dag.rpartition("-")[0]):
            faults.add([fault[0].model_copy(update={"path": f"/models/acme/{dag}/versions$"})])
    with running(create_app(sandbox.store, faults=faults)) as url:
        environment = {
            "AIRFLOW_CONN_WRIFTAI_DEFAULT": json.dumps(sandbox.connection(host=f"{url}/v1")),
            "MOMENTS": " ".join([*MOMENTS, "answered"]),
            "MODES": " ".join(MODES),
            "KILL": KILL,
            "RETRY_DELAY": RETRY_DELAY,
        }
        with running_airflow(tmp_path, repository / "tests" / "end_to_end" / "killed_dags", environment) as airflow:
            remaining = {dag for dag in dags if not dag.startswith("answered-")}
            suspended: list[psutil.Process] = []
            tasks: set[int] = set()
            while remaining:
                event = faults.events.get(timeout=240)
                dag = event.path.split("/")[-2]
                _, stage, action = MOMENTS[dag.rpartition("-")[0]]
                if dag in remaining and event.stage == stage:
                    task = process_at(event.port)
                    tasks.add(task.pid)
                    suspended += _signal(task, action)
                    remaining.remove(dag)
            for dag in dags:
                _check(airflow, sandbox, dag)
            faults.release()
            _resume(suspended, tasks)
            for dag in dags:
                _check(airflow, sandbox, dag)
    for mode in MODES:
        shows(f"one version, {mode}")


def _check(airflow: RealAirflow, sandbox: Sandbox, dag: str) -> None:
    tries = airflow.until(dag, "publish", "success", "failed", "upstream_failed")
    logs = airflow.logs(dag, "publish")
    assert airflow.task(dag, "publish")[0] == "success", logs
    assert tries >= 2, logs
    (version,) = sandbox.store.versions("acme", dag)
    assert airflow.result(dag, "publish")["reference"] == f"acme/{dag}:{version.number}"
    # The last try created the version, or the killed one. On a slow machine, other tries may have failed before.
    by_last_try = dag.rpartition("-")[0] in CREATED_BY_LAST_TRY
    assert (version.release_notes == f"Try {tries}") == by_last_try, logs
    assert sandbox.token not in logs


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "action",
    [
        pytest.param(KILL, id="killed"),
        pytest.param(
            "suspend with worker",
            id="suspended",
            marks=[
                pytest.mark.skipif(one_task_at_a_time(), reason="a suspended task would block its next try"),
                pytest.mark.skipif(
                    not CAN_FIND_OUT, reason="on this Airflow, a try cannot find out that it was replaced"
                ),
            ],
        ),
    ],
)
def test_the_next_try_of_a_prune_deletes_exactly_the_rest(
    sandbox: Sandbox, tmp_path: Path, repository: Path, action: str
) -> None:
    model = sandbox.new_model(versions=60)
    faults = Faults()
    # Every delete from the 30th on is delayed: half of them are executed after their caller is gone, half never.
    delayed: dict[str, Any] = {
        "method": "DELETE",
        "path": f"/models/{model}/versions/(3[0-9]|4[0-9]|5[0-9])$",
        "delay": 60,
        "times": 8,
    }
    faults.add([Fault(execute="last", **delayed), Fault(execute="never", **delayed)])
    with running(create_app(sandbox.store, faults=faults)) as url:
        environment = {
            "AIRFLOW_CONN_WRIFTAI_DEFAULT": json.dumps(sandbox.connection(host=f"{url}/v1")),
            "MODEL": model,
            "RETRY_DELAY": RETRY_DELAY,
        }
        with running_airflow(tmp_path, repository / "tests" / "end_to_end" / "pruning_dags", environment) as airflow:
            received = 0
            while received < 16:
                event = faults.events.get(timeout=240)
                received += event.stage == "received"
            half_way = sandbox.numbers(model)
            task = process_at(event.port)
            suspended = _signal(task, action)
            assert airflow.until("pruning", "prune", "success", "failed") >= 2, airflow.logs("pruning", "prune")
            _resume(suspended, {task.pid})
            report = airflow.result("pruning", "prune")

    assert half_way == [*range(60, 29, -1), 7]
    assert sandbox.numbers(model) == [60, 59, 58, 7]
    assert (report["failed"], report["already_gone"]) == ([], [])
    assert [entry["reference"] for entry in report["protected"]] == [f"{model}:7"]
    deletes = Counter(
        entry["path"].rpartition("/")[2]
        for entry in find_requests(sandbox.store, model)
        if entry["method"] == "DELETE" and entry["status"] == 204
    )
    # Each version was deleted once: in the first try, just after it, or in the second try.
    assert deletes == Counter(str(number) for number in range(1, 58) if number != 7)
    # A service executes requests after their caller is gone, but the suspended one still waits for them.
    executed_late = 8 if action == KILL else 0
    assert len(report["deleted"]) == 57 - 29 - executed_late
    assert f"{model}:1" not in report["deleted"]
