"""Wait until somebody else has published a version, without occupying a worker.

Trigger the DAG with the version to wait for, such as ``acme/sentiment:14``. Requires the connection
``wriftai_default``.
"""

from __future__ import annotations

from datetime import datetime

from airflow_provider_wriftai.sensors.versions import WriftAIVersionSensor

try:
    from airflow.sdk import Param, dag, task
except ImportError:  # Airflow 2.11
    from airflow.decorators import dag, task
    from airflow.models.param import Param


@task
def report(version: dict[str, str]) -> str:
    """Return a summary of the version; replace this with your task."""
    return f"{version['reference']}: {version['release_notes']}"


@dag(
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    tags=["wriftai"],
    doc_md=__doc__,
    params={"version": Param("acme/sentiment:14", type="string", description="owner/name:number, or an id")},
)
def wait_for_release() -> None:
    """Define the pipeline."""
    wait = WriftAIVersionSensor(
        task_id="wait_for_version",
        version="{{ params.version }}",
        deferrable=True,
        poke_interval=5,
        timeout=3600,
    )
    report(wait.output)  # type: ignore[arg-type]


wait_for_release()
