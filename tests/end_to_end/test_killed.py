"""kill -9 on a real scheduler and executor: one version, whatever the moment, and no wrong one pruned."""

from __future__ import annotations

import json
import signal
from collections import Counter
from collections.abc import Callable, Mapping
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
from tests.support.sandbox import Sandbox

# Airflow 2 may take a task for dead that is being tried again already, unless that is later.
RETRY_DELAY = "15" if AIRFLOW_2 else "1"

# Without a memory over the tries, "fail" would find its own version, and "create" make another.
MODES = ["reuse", "fail", "create"] if HAS_STORES else ["reuse"]

# Airflow 3.0 gives a task up whose process alone was killed, and tries one again whose worker is gone too.
KILL = "kill with worker" if airflow_itself.__version__.startswith("3.0.") else "kill"

# What is held up, at which stage of it something is done to the process, and what.
MOMENTS: Mapping[str, tuple[Fault, str, str]] = {
    "looking": (Fault(method="GET", delay=60), "received", KILL),
    "never-done": (Fault(method="POST", execute="never", delay=60), "received", KILL),
    "done-later": (Fault(method="POST", execute="last", delay=60), "received", KILL),
    "done": (Fault(method="POST", delay=60), "executed", KILL),
    "with-its-worker": (Fault(method="POST", delay=60), "executed", "kill with worker"),
    # Stopped, declared dead by Airflow, replaced by another try; and then it goes on.
    "stopped": (Fault(method="GET", delay=60), "received", "stop with worker"),
}
if one_task_at_a_time():
    # What is stopped would hold up all the others.
    MOMENTS = {moment: what for moment, what in MOMENTS.items() if moment != "stopped"}
MADE_BY_THE_LAST = ("looking", "never-done", "stopped")


def _signal(task: psutil.Process, what: str) -> list[psutil.Process]:
    """Kill or stop a task's process, and its worker too if asked; gives those that were only stopped."""
    worker = task.parent() if "with worker" in what else None
    met = [process for process in (worker, task) if process is not None]
    for process in met:
        process.send_signal(signal.SIGKILL if what.startswith("kill") else signal.SIGSTOP)
    return met if what.startswith("stop") else []


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
            awaited = {dag for dag in dags if not dag.startswith("answered-")}
            stopped: list[psutil.Process] = []
            tasks: set[int] = set()
            while awaited:
                reached = faults.events.get(timeout=240)
                dag = reached.path.split("/")[-2]
                _, stage, what = MOMENTS[dag.rpartition("-")[0]]
                if dag in awaited and reached.stage == stage:
                    task = process_at(reached.port)
                    tasks.add(task.pid)
                    stopped += _signal(task, what)
                    awaited.remove(dag)
            for dag in dags:
                _check(airflow, sandbox, dag)
            faults.release()
            for process in stopped:
                process.send_signal(signal.SIGCONT)
            _, alive = psutil.wait_procs([task for task in stopped if task.pid in tasks], timeout=60)
            assert not alive
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
    # The last try, or the one that met its end; others may have failed before on a slow machine.
    made_by_the_last = dag.rpartition("-")[0] in MADE_BY_THE_LAST
    assert (version.release_notes == f"Try {tries}") == made_by_the_last, logs
    assert sandbox.token not in logs


@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_prune_that_is_killed_half_way_does_exactly_the_rest(
    sandbox: Sandbox, tmp_path: Path, repository: Path
) -> None:
    model = sandbox.new_model(versions=60)
    faults = Faults()
    # From the 30th on, every delete is held up: half of them are done when their caller is gone, half never are.
    held: dict[str, Any] = {
        "method": "DELETE",
        "path": f"/models/{model}/versions/(3[0-9]|4[0-9]|5[0-9])$",
        "delay": 60,
        "times": 8,
    }
    faults.add([Fault(execute="last", **held), Fault(execute="never", **held)])
    with running(create_app(sandbox.store, faults=faults)) as url:
        environment = {
            "AIRFLOW_CONN_WRIFTAI_DEFAULT": json.dumps(sandbox.connection(host=f"{url}/v1")),
            "MODEL": model,
            "RETRY_DELAY": RETRY_DELAY,
        }
        with running_airflow(tmp_path, repository / "tests" / "end_to_end" / "pruning_dags", environment) as airflow:
            received = 0
            while received < 16:
                reached = faults.events.get(timeout=240)
                received += reached.stage == "received"
            half_way = sandbox.numbers(model)
            _signal(process_at(reached.port), KILL)
            assert airflow.until("pruning", "prune", "success", "failed") >= 2, airflow.logs("pruning", "prune")
            report = airflow.result("pruning", "prune")

    assert half_way == [*range(60, 29, -1), 7]
    assert sandbox.numbers(model) == [60, 59, 58, 7]
    assert (report["failed"], report["already_gone"]) == ([], [])
    assert [entry["reference"] for entry in report["protected"]] == [f"{model}:7"]
    answers = Counter(
        entry["path"].rpartition("/")[2]
        for entry in sandbox.store.requests(1000)
        if entry["method"] == "DELETE" and entry["status"] == 204 and f"/{model}/" in entry["path"]
    )
    # Each was deleted once: in the first try, just after it, or in the second.
    assert answers == Counter(str(number) for number in range(1, 58) if number != 7)
    assert len(report["deleted"]) == 57 - 29 - 8
