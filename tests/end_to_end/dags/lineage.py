"""Publish and prune, so that OpenLineage receives events of both."""

from __future__ import annotations

import os
from datetime import datetime

from airflow import DAG

from airflow_provider_wriftai.operators.cleanup import WriftAICleanupVersionsOperator
from airflow_provider_wriftai.operators.versions import WriftAICreateVersionOperator

MODEL = os.environ.get("MODEL", "acme/detector")

with DAG("lineage", schedule=None, start_date=datetime(2026, 1, 1)):
    publish = WriftAICreateVersionOperator(
        task_id="publish",
        model=MODEL,
        image="registry.example/acme/detector@sha256:" + "5e" * 32,
        release_notes="new",
        schemas={"prediction": {"input": {"type": "object"}, "output": {"type": "object"}}},
    )
    publish >> WriftAICleanupVersionsOperator(task_id="prune", model=MODEL, keep_last=1)
