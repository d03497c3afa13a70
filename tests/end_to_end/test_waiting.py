"""Waits on a real Airflow 3.3 have the same outcome on workers and in the triggerer."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.support.polling import until
from tests.support.real_airflow import HAS_STORES, running_airflow
from tests.support.rest_api import until_up
from tests.support.sandbox import Sandbox

_until = partial(until, patience=180.0, every=0.5)

pytestmark = pytest.mark.long

IN_TRIGGERER = ("ended_by_trigger", "started_by_trigger", "newer_than_start", "mapped")
ON_WORKER = ("poke", "ended_by_worker", "with_outlet", "started_with_outlet")
OTHERS = {
    "without_result": "success",
    "read": "success",
    "skipped": "skipped",
    "timed_out": "failed",
    "limited": "failed",
    "limited_started": "failed",
    "pulls_an_xcom": "failed",
}


@pytest.mark.skipif(not HAS_STORES, reason="before Airflow 3.3, waits start and end on workers")
@pytest.mark.timeout(600)
def test_waits_start_and_end_in_the_triggerer(sandbox: Sandbox, tmp_path: Path, repository: Path, schemas: Any) -> None:
    model = sandbox.new_model(versions=1)
    environment = {"AIRFLOW_CONN_WRIFTAI_DEFAULT": json.dumps(sandbox.connection()), "WAITED_FOR": model}
    with running_airflow(tmp_path, repository / "tests" / "end_to_end" / "waiting_dags", environment) as airflow:
        # A task fails if its worker cannot reach Airflow's API yet.
        until_up(airflow.url)
        _until(lambda: airflow.fetch("SELECT 1 FROM dag WHERE dag_id = 'waiting'"))
        airflow.command("dags", "trigger", "waiting")
        for name in (*IN_TRIGGERER, "ended_by_worker", "with_outlet", "started_with_outlet"):
            airflow.until("waiting", name, "deferred")
        airflow.until("waiting", "poke", "running")
        sandbox.store.create_version(
            *model.split("/"), release_notes="x", schemas=schemas, container_image_digest="sha256:" + "ab" * 32
        )
        for name in (*IN_TRIGGERER, *ON_WORKER):
            airflow.until("waiting", name, "success")
        for name, state in OTHERS.items():
            airflow.until("waiting", name, state)

        stored = {
            (row[0], row[1]): row[2]
            for row in airflow.fetch("SELECT task_id, key, CAST(value AS TEXT) FROM xcom WHERE dag_id = 'waiting'")
        }
        results = {name: stored[name, "return_value"] for name in (*IN_TRIGGERER, *ON_WORKER)}
        assert len(set(results.values())) == 1, results
        assert json.loads(results["poke"])["reference"] == f"{model}:2"
        links = {stored[name, "_link_WriftAIVersionLink"] for name in (*IN_TRIGGERER, *ON_WORKER)}
        assert len(links) == 1, links
        assert ("without_result", "return_value") not in stored
        assert stored["read", "return_value"].strip('"') == f"dict {model}:2"
        # A wait that ends in the triggerer does not resume on a worker.
        assert "The task ends without a worker." in airflow.logs("waiting", "ended_by_trigger")
        assert "Running resume_execution" not in airflow.logs("waiting", "ended_by_trigger")
        assert [row[0] for row in airflow.fetch("SELECT count(*) FROM asset_event")] == [2]
        assert "did not appear in time" in airflow.logs("waiting", "timed_out")
        assert airflow.task("waiting", "timed_out")[1] == 1, "a timeout was retried"
        for name in ("limited", "limited_started"):
            assert airflow.task("waiting", name)[1] == 2, "an execution_timeout was not retried"
            assert "did not end within the execution_timeout" in airflow.logs("waiting", name)
        assert "uses ti, which the triggerer cannot provide" in airflow.logs("waiting", "pulls_an_xcom")
    assert sandbox.token not in "".join(file.read_text(errors="replace") for file in tmp_path.rglob("*.log"))
