"""DAGs whose tasks somebody clears, marks, and stops. Callbacks leave a file."""

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

FOLDER = Path(os.environ["CALLED_BACK"])
IMAGE = "sha256:" + "ab" * 32
VERSION: dict[str, Any] = {
    "release_notes": "Built in {{ run_id }}",
    "schemas": {"prediction": {"input": {"type": "object"}, "output": {"type": "string"}}},
}


def note(outcome: str) -> Callable[[Any], None]:
    """Return a callback that leaves a file."""
    return lambda context: (FOLDER / f"{context['ti'].dag_id}.{outcome}").touch()


def make_dag(name: str, **arguments: Any) -> DAG:
    """Make a DAG that only runs when it is triggered, and make it known to Airflow."""
    dag = DAG(
        name, schedule=None, start_date=datetime(2026, 1, 1), catchup=False,
        default_args={"on_success_callback": note("success"), "on_failure_callback": note("failure")}, **arguments,
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
