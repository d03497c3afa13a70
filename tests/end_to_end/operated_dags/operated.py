"""DAGs whose tasks are cleared, marked, and stopped. Their callbacks create files."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import DAG, Param

from airflow_provider_wriftai.assets.models import model_asset
from airflow_provider_wriftai.operators.cleanup import WriftAICleanupVersionsOperator
from airflow_provider_wriftai.operators.versions import WriftAICreateVersionOperator
from airflow_provider_wriftai.sensors.versions import WriftAIVersionSensor

CALLBACK_FILES = Path(os.environ["CALLBACK_FILES"])
IMAGE = "sha256:" + "ab" * 32
VERSION: dict[str, Any] = {
    "release_notes": "Built in {{ run_id }}",
    "schemas": {"prediction": {"input": {"type": "object"}, "output": {"type": "string"}}},
}


def file_callback(outcome: str) -> Callable[[Any], None]:
    """Return a callback that creates a file."""
    return lambda context: (CALLBACK_FILES / f"{context['ti'].dag_id}.{outcome}").touch()


def make_dag(name: str, **arguments: Any) -> DAG:
    """Return a DAG without a schedule, and add it to the globals, where Airflow finds it."""
    callbacks = {"on_success_callback": file_callback("success"), "on_failure_callback": file_callback("failure")}
    dag = DAG(
        name, schedule=None, start_date=datetime(2026, 1, 1), catchup=False, default_args=callbacks, **arguments
    )  # fmt: skip
    globals()[name] = dag
    return dag


with make_dag("release", max_active_runs=1, params={"image": Param(IMAGE)}):
    publish = WriftAICreateVersionOperator(
        task_id="publish",
        model="acme/release",
        image="{{ params.image }}",
        retries=2,
        retry_delay=timedelta(seconds=1),
        outlets=[model_asset("acme/release")],
        **VERSION,
    )
    wait = WriftAIVersionSensor(task_id="wait", version=publish.output)
    prune = WriftAICleanupVersionsOperator(task_id="prune", model="acme/release", keep_last=1, protect=[publish.output])
    publish >> wait >> prune

for mark in ("success", "failed"):
    with make_dag(f"publish_marked_{mark}"):
        WriftAICreateVersionOperator(
            task_id="publish", model=f"acme/publish_marked_{mark}", image=IMAGE, settle_seconds=120, **VERSION
        )

for operation in ("marked_success", "cleared", "limited"):
    with make_dag(f"prune_{operation}"):
        WriftAICleanupVersionsOperator(
            task_id="prune",
            model=f"acme/prune_{operation}",
            keep_last=1,
            execution_timeout=timedelta(seconds=12) if operation == "limited" else None,
        )

with make_dag("parallel", max_active_runs=8):
    WriftAICreateVersionOperator(
        task_id="publish", model="acme/parallel", image=IMAGE, outlets=[model_asset("acme/parallel")], **VERSION
    )

for name, failures in (("patient", 5), ("strict", 0)):
    with make_dag(f"wait_{name}"):
        WriftAIVersionSensor(
            task_id="wait",
            version=f"acme/wait_{name}:1",
            deferrable=True,
            poke_interval=2,
            timeout=600,
            max_consecutive_failures=failures,
            wriftai_conn_id=f"secret_{name}",
        )
