"""A DAG for each mode and each moment at which its publishing task is killed. The first try never succeeds."""

from __future__ import annotations

import os
import signal
from datetime import datetime, timedelta
from typing import Any

from airflow import DAG

from airflow_provider_wriftai.operators.versions import WriftAICreateVersionOperator


def die(context: Any, result: Any = None) -> None:
    """Kill the try that has created the version before Airflow learns of it."""
    if result["release_notes"] == f"Try {context['ti'].try_number}":
        if "with worker" in os.environ["KILL"]:
            os.kill(os.getppid(), signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)


for moment in os.environ["MOMENTS"].split():
    for mode in os.environ["MODES"].split():
        with DAG(f"{moment}-{mode}", schedule="@once", start_date=datetime(2026, 1, 1), catchup=False) as dag:
            WriftAICreateVersionOperator(
                task_id="publish",
                model=f"acme/{moment}-{mode}",
                image="sha256:" + "ab" * 32,
                release_notes="Try {{ ti.try_number }}",
                schemas={"prediction": {"input": {}, "output": {}}},
                if_exists=mode,
                settle_seconds=8,
                retries=3,
                retry_delay=timedelta(seconds=float(os.environ["RETRY_DELAY"])),
                post_execute=die if moment == "answered" else None,
            )
        globals()[dag.dag_id] = dag
