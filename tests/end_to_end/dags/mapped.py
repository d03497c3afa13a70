"""Publish all images that another task returned. Values that look like templates are not rendered."""

from __future__ import annotations

import hashlib
import os
from datetime import datetime
from typing import Any

from airflow_provider_wriftai.operators.versions import WriftAICreateVersionOperator

try:
    from airflow.sdk import dag, task
except ImportError:  # Airflow 2.11
    from airflow.decorators import dag, task  # type: ignore[no-redef]


@task
def build() -> list[dict[str, Any]]:
    return [
        {"image": "{{ 1 / 0 }}", "imageDigest": "sha256:" + hashlib.sha256(name.encode()).hexdigest()}
        for name in ("a", "b", "c")
    ]


@dag(schedule=None, start_date=datetime(2026, 1, 1), catchup=False)
def mapped() -> None:
    WriftAICreateVersionOperator.partial(
        task_id="publish",
        model=os.environ["MODEL"],
        release_notes="Number {{ ti.map_index }}",
        schemas={"prediction": {"input": {"title": "{{ dag.dag_id }}"}, "output": {}}},
    ).expand(image=build())


mapped()
