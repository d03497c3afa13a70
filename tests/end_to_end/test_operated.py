"""Tasks on real processes that people clear, mark, stop, and run in parallel."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_wriftai.sandbox.app import create_app
from airflow_provider_wriftai.sandbox.faults import Fault, Faults
from airflow_provider_wriftai.sandbox.seed import seed
from airflow_provider_wriftai.sandbox.server import running
from airflow_provider_wriftai.sandbox.store import Store
from tests.support.polling import until
from tests.support.postgres import find_postgres
from tests.support.real_airflow import HAS_STORES, RealAirflow, running_airflow
from tests.support.rest_api import RestAPI, until_up
from tests.support.sandbox import find_requests

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(not HAS_STORES, reason="before Airflow 3.3, a cleared task loses its journal"),
    pytest.mark.skipif(find_postgres() is None, reason="not on this machine: PostgreSQL"),
]

TOKEN = "token-of-the-operated-test-8s2v"
JANUARY, FEBRUARY = "sha256:" + "01" * 32, "sha256:" + "02" * 32
OLD_VERSIONS = 300
_SCHEMAS: dict[str, Any] = {"prediction": {"input": {}, "output": {}}}
_ENDED = ("success", "failed", "upstream_failed", "skipped")


@dataclass
class Operated:
    """A running Airflow, the service that it uses, and the folder in which its callbacks create files."""

    airflow: RealAirflow
    rest: RestAPI
    store: Store
    faults: Faults
    callback_files: Path
    secrets: Path

    def numbers(self, model: str) -> list[int]:
        return [version.number for version in self.store.versions("acme", model)]

    def requests(self, method: str, model: str) -> list[dict[str, Any]]:
        """Return the requests with a method for a model, newest first."""
        return [each for each in find_requests(self.store, f"acme/{model}") if each["method"] == method]

    def callbacks(self, dag: str) -> set[str]:
        """Return the outcomes for which a DAG's callbacks ran."""
        return {file.suffix[1:] for file in self.callback_files.glob(f"{dag}.*")}

    def until_called_back(self, dag: str) -> None:
        until(lambda: self.callbacks(dag), lambda: self.airflow.logs(dag, "*"))

    def until_ended(self, run: str) -> dict[str, str | None]:
        return until(
            lambda: states if {*(states := self.rest.states(run)).values()} <= {*_ENDED} else None,
            lambda: self.rest.states(run),
        ) or {}  # fmt: skip

    def until_request(self, method: str, model: str, stage: str) -> None:
        """Wait until a request with a fault has reached a stage."""
        path = f"/acme/{model}/"
        while True:
            event = self.faults.events.get(timeout=240)
            if (event.method, event.stage) == (method, stage) and path in f"{event.path}/":
                return


@pytest.fixture(scope="module")
def operated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operated]:
    repository = Path(__file__).resolve().parents[2]
    folder = tmp_path_factory.mktemp("operated")
    callback_files, secrets = folder / "callbacks", folder / "secrets"
    callback_files.mkdir()
    secrets.mkdir()
    store = Store(folder / "sandbox.db")
    store.add_token(TOKEN, "acme")
    for model in (
        "release",
        "publish_marked_success",
        "publish_marked_failed",
        "parallel",
        "wait_patient",
        "wait_strict",
    ):
        store.add_model("acme", model)
    for operation in ("marked_success", "cleared", "limited"):
        seed(store, "acme", f"prune_{operation}", OLD_VERSIONS)
    faults = Faults()
    with running(create_app(store, faults=faults)) as url:
        connection = json.dumps({"conn_type": "wriftai", "host": f"{url}/v1", "password": TOKEN})
        for name in ("patient", "strict"):
            (secrets / f"secret_{name}.json").write_text(connection)
        environment = {
            "AIRFLOW_CONN_WRIFTAI_DEFAULT": connection,
            "CALLBACK_FILES": str(callback_files),
            "SECRETS_FOLDER": str(secrets),
            "AIRFLOW__CORE__PARALLELISM": "8",
            # The first request to the execution API takes long on a busy machine.
            "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "60",
            "AIRFLOW__SECRETS__BACKEND": "tests.support.failing_secrets.FailingSecrets",
            "PYTHONPATH": str(repository),
        }
        with running_airflow(folder, Path(__file__).parent / "operated_dags", environment) as airflow:
            until_up(airflow.url)
            with RestAPI(airflow.url) as rest:
                for dag in ("release", "parallel", "wait_strict"):
                    rest.until_dag_exists(dag)
                yield Operated(airflow, rest, store, faults, callback_files, secrets)
                faults.clear()
    store.close()
    assert TOKEN not in "".join(file.read_text(errors="replace") for file in folder.rglob("*.log"))


def test_clearing_an_old_run_publishes_nothing_again(operated: Operated) -> None:
    rest, airflow = operated.rest, operated.airflow
    january = rest.trigger("release", image=JANUARY)
    assert {*operated.until_ended(january).values()} == {"success"}
    february = rest.trigger("release", image=FEBRUARY)
    assert {*operated.until_ended(february).values()} == {"success"}
    assert operated.numbers("release") == [2]

    rest.clear(january, "publish", downstream=True)
    until(lambda: rest.states(january)["publish"] == "failed", lambda: rest.states(january))
    assert operated.until_ended(january) == {
        "publish": "failed", "wait": "upstream_failed", "prune": "upstream_failed"
    }  # fmt: skip
    logs = airflow.logs("release", "publish")
    assert f"published image {JANUARY} as acme/release:1 in an earlier try" in logs
    assert rest.get(f"{january}/taskInstances/publish")["try_number"] == 2, "a final error was retried"
    assert len(operated.requests("POST", "release")) == 2

    # Clear a prune alone, and a publish whose version still exists.
    rest.clear(january, "prune")
    rest.clear(february, "publish", downstream=True)
    until(lambda: rest.states(january)["prune"] in _ENDED, lambda: rest.states(january))
    until(lambda: rest.states(february)["prune"] in _ENDED, lambda: rest.states(february))
    assert {*rest.states(february).values()} == {"success"}
    assert rest.result(february, "publish")["outcome"] == "remembered"
    assert operated.numbers("release") == [2]
    assert len(operated.requests("POST", "release")) == 2


@pytest.mark.parametrize("mark", ["success", "failed"])
def test_a_publish_that_is_marked_while_it_reconciles_sends_nothing_more(operated: Operated, mark: str) -> None:
    model = dag = f"publish_marked_{mark}"
    operated.faults.add([Fault(method="POST", path=f"/{model}/", execute="never", response="drop")])
    run = operated.rest.trigger(dag)
    operated.until_request("POST", model, "received")
    until(lambda: "no clear outcome" in operated.airflow.logs(dag, "publish"))
    operated.rest.mark(run, "publish", mark)
    operated.until_called_back(dag)
    requests = [len(operated.requests(method, model)) for method in ("GET", "POST")]
    assert operated.callbacks(dag) == {"success" if mark == "success" else "failure"}
    assert operated.rest.states(run) == {"publish": mark}
    logs = operated.airflow.logs(dag, "publish")
    assert "Airflow stopped the task while it was publishing" in logs
    assert ("was marked as success" in logs) == (mark == "success")
    # Another request would have been sent within seconds.
    assert operated.numbers(model) == []
    assert [len(operated.requests(method, model)) for method in ("GET", "POST")] == requests


def test_a_prune_that_is_marked_as_success_calls_no_failure_callback(operated: Operated) -> None:
    with _prune_under_way(operated, "prune_marked_success") as run:
        operated.rest.mark(run, "prune", "success")
        operated.until_called_back("prune_marked_success")
        left = operated.numbers("prune_marked_success")
    assert operated.callbacks("prune_marked_success") == {"success"}
    assert operated.rest.states(run) == {"prune": "success"}
    report = operated.rest.result(run, "prune")
    logs = operated.airflow.logs("prune_marked_success", "prune")
    assert "was marked as success" in logs
    _check_report(operated, "prune_marked_success", report, logs, left)


def test_a_prune_that_is_cleared_deletes_each_version_once(operated: Operated) -> None:
    with _prune_under_way(operated, "prune_cleared") as run:
        operated.rest.clear(run, "prune", only_running=True)
        until(lambda: "was stopped" in operated.airflow.logs("prune_cleared", "prune"))
    until(lambda: operated.rest.states(run)["prune"] in _ENDED, lambda: operated.rest.states(run))
    assert operated.rest.states(run) == {"prune": "success"}
    assert operated.numbers("prune_cleared") == [OLD_VERSIONS]
    deletes = Counter(each["path"] for each in operated.requests("DELETE", "prune_cleared") if each["status"] == 204)
    assert len(deletes) == OLD_VERSIONS - 1
    assert {*deletes.values()} == {1}


def test_a_prune_that_times_out_leaves_its_report(operated: Operated) -> None:
    with _prune_under_way(operated, "prune_limited") as run:
        assert operated.until_ended(run) == {"prune": "failed"}
        left = operated.numbers("prune_limited")
    assert operated.callbacks("prune_limited") == {"failure"}
    logs = operated.airflow.logs("prune_limited", "prune")
    assert "AirflowTaskTimeout" in logs
    _check_report(operated, "prune_limited", operated.rest.result(run, "prune"), logs, left)


def test_eight_parallel_runs_with_one_image_create_one_version(operated: Operated) -> None:
    operated.faults.add([Fault(method="POST", path="/parallel/", delay=8, execute="last", times=8)])
    runs = [operated.rest.trigger("parallel") for _ in range(8)]
    for run in runs:
        assert operated.until_ended(run) == {"publish": "success"}
    assert operated.numbers("parallel") == [1]
    outcomes = Counter(operated.rest.result(run, "publish")["outcome"] for run in runs)
    assert outcomes == {"created": 1, "reused": 7}
    events = operated.rest.events("wriftai://acme/parallel")
    assert Counter(event["outcome"] for event in events) == outcomes
    assert {event["reference"] for event in events} == {"acme/parallel:1"}


def test_a_wait_survives_a_secrets_backend_that_fails_once(operated: Operated) -> None:
    runs = {name: operated.rest.trigger(f"wait_{name}") for name in ("patient", "strict")}
    for run in runs.values():
        operated.rest.until(run, "wait", "deferred")
    operated.airflow.kill("triggerer")
    # Airflow looks a connection up twice: in the process that runs the triggers, and in its supervisor.
    failures = {name: operated.secrets / f"secret_{name}.failures" for name in runs}
    failures["patient"].write_bytes(b"xx")
    failures["strict"].write_bytes(b"x" * 100)
    operated.airflow.start("triggerer")
    assert operated.until_ended(runs["strict"]) == {"wait": "failed"}
    until(lambda: not failures["patient"].read_bytes())
    operated.store.create_version(
        "acme", "wait_patient", release_notes="x", schemas=_SCHEMAS, container_image_digest=JANUARY
    )
    assert operated.until_ended(runs["patient"]) == {"wait": "success"}
    assert operated.rest.result(runs["patient"], "wait")["reference"] == "acme/wait_patient:1"
    assert "the connection could not be read" in operated.airflow.logs("wait_patient", "wait")
    # The error itself names the reason.
    logs = operated.airflow.logs("wait_strict", "wait")
    errors = [line for line in logs.splitlines() if "Task failed with exception" in line]
    assert any("Connection 'secret_strict' does not exist" in line for line in errors), logs


@contextmanager
def _prune_under_way(operated: Operated, dag: str) -> Iterator[str]:
    """Run a prune whose deletes take a second each.

    Yields:
        The run, once some deletes are done.
    """
    operated.faults.add([Fault(method="DELETE", path=f"/{dag}/", delay=1, execute="last", times=10_000)])
    run = operated.rest.trigger(dag)
    until(lambda: len(operated.numbers(dag)) < OLD_VERSIONS, lambda: operated.rest.states(run), every=0.2)
    try:
        yield run
    finally:
        for fault in operated.faults.pending():
            if fault.path == f"/{dag}/":
                operated.faults.clear()


def _check_report(operated: Operated, model: str, report: Any, logs: str, left: list[int]) -> None:
    """Check that the report has every deleted version, and that only deletes in flight outlived the task."""
    now = set(operated.numbers(model))
    deleted = {f"acme/{model}:{number}" for number in range(1, OLD_VERSIONS + 1) if number not in now}
    assert set(report["deleted"]) <= deleted <= {*report["deleted"], *report["interrupted"]}
    assert report["deleted_count"] == len(report["deleted"]) > 0
    assert set(left) - now <= {int(each.rpartition(":")[2]) for each in report["interrupted"]}
    assert "Deleted acme/" in logs
    assert OLD_VERSIONS in now
