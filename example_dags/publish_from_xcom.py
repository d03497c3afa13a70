"""Publish an image that a remote build reported through XCom, with release notes and schemas from files.

Replace ``build`` with a task that runs a remote build and returns its metadata: a KubernetesPodOperator with
``do_xcom_push`` whose pod writes the metadata to ``/airflow/xcom/return.json``, or Google's Cloud Build operator.
Requires the connection ``wriftai_default`` and the model ``acme/sentiment``.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

from airflow_provider_wriftai.operators.versions import WriftAICreateVersionOperator

try:
    from airflow.sdk import dag, task
except ImportError:  # Airflow 2.11
    from airflow.decorators import dag, task


@task
def build(built_in: str) -> dict[str, Any]:
    """Return the metadata of two images, as ``docker buildx bake --metadata-file`` writes it."""
    return {
        target: {
            "containerimage.digest": "sha256:" + hashlib.sha256(f"{target} of {built_in}".encode()).hexdigest(),
            "image.name": f"registry.example/acme/{target}:latest",
        }
        for target in ("sentiment", "topics")
    }


@dag(schedule=None, start_date=datetime(2026, 1, 1), catchup=False, max_active_runs=1, tags=["wriftai"], doc_md=__doc__)
def publish_from_xcom() -> None:
    """Define the pipeline."""
    WriftAICreateVersionOperator(
        task_id="publish_version",
        model="acme/sentiment",
        image=build("{{ run_id }}"),
        image_selector="sentiment",
        # Template files in the folder of this file.
        release_notes="publish_from_xcom_notes.md",
        schemas="publish_from_xcom_schemas.json",
    )


publish_from_xcom()
