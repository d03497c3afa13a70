"""Publish a version on small hardware, evaluate it there, and then move it to larger hardware.

Requires the connection ``wriftai_default`` and the model ``acme/sentiment``. The image comes from the run's parameters.
The names of hardware come from your WriftAI account.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from airflow_provider_wriftai.operators.versions import (
    WriftAICreateVersionOperator,
    WriftAIUpdateVersionConfigurationOperator,
)

try:
    from airflow.sdk import dag, task
except ImportError:  # Airflow 2.11
    from airflow.decorators import dag, task

MODEL = "acme/sentiment"
SMALL = "cpu-1"
LARGE = "gpu-1"
SCHEMAS: dict[str, Any] = {"prediction": {"input": {"type": "object"}, "output": {"type": "object"}}}


@task
def evaluate(version: dict[str, Any]) -> dict[str, Any]:
    """Evaluate the version; fail if it is not good enough.

    Replace this with your evaluation: run predictions with the version, and compare them with the expected results.
    """
    if not version["reference"].startswith(f"{MODEL}:"):
        raise ValueError(f"{version['reference']} is not a version of {MODEL}")
    return version


@dag(schedule=None, start_date=datetime(2026, 1, 1), catchup=False, max_active_runs=1, tags=["wriftai"], doc_md=__doc__)
def move_to_larger_hardware() -> None:
    """Define the pipeline."""
    published = WriftAICreateVersionOperator(
        task_id="publish_version",
        model=MODEL,
        image="{{ params.image }}",
        release_notes="Published in {{ run_id }}",
        schemas=SCHEMAS,
        configuration={"hardware_identifier": SMALL, "variable_names": []},
        params={"image": "sha256:" + "0123456789abcdef" * 4},
    )
    WriftAIUpdateVersionConfigurationOperator(
        task_id="move_version",
        version=evaluate(published.output),  # type: ignore[arg-type]
        hardware_identifier=LARGE,
    )


move_to_larger_hardware()
