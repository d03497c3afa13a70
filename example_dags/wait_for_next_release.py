"""Wait for the next version that is published as a release, and use it.

Versions from before the start of the DAG run do not count, even if the wait starts later. Requires the connection
``wriftai_default`` and the model ``acme/sentiment``.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from airflow_provider_wriftai.sensors.versions import WriftAIVersionSensor

try:
    from airflow.sdk import dag, task
except ImportError:  # Airflow 2.11
    from airflow.decorators import dag, task


@task
def roll_out(version: dict[str, Any]) -> str:
    """Roll out the release; replace this with your rollout."""
    return f"Rolling out {version['reference']}, image {version['container_image_digest']}"


@dag(schedule=None, start_date=datetime(2026, 1, 1), catchup=False, tags=["wriftai"], doc_md=__doc__)
def wait_for_next_release() -> None:
    """Define the pipeline."""
    release = WriftAIVersionSensor(
        task_id="release",
        model="acme/sentiment",
        newer_than="{{ dag_run.start_date.isoformat() }}",
        release_notes="(?i)^release",
        deferrable=True,
        poke_interval=30,
        timeout=7 * 24 * 3600,
    )
    roll_out(release.output)  # type: ignore[arg-type]


wait_for_next_release()
