"""Publish a version, as a pipeline does after its build."""

from __future__ import annotations

import os
from datetime import datetime

from airflow import DAG

from airflow_provider_wriftai.assets.models import model_asset
from airflow_provider_wriftai.operators.versions import WriftAICreateVersionOperator

MODEL = os.environ["MODEL"]

with DAG("release_detector", schedule=None, start_date=datetime(2026, 1, 1), catchup=False):
    WriftAICreateVersionOperator(
        task_id="publish",
        model=MODEL,
        image=os.environ["IMAGE"],
        release_notes="Built in {{ run_id }}",
        schemas={"prediction": {"input": {"type": "object"}, "output": {"type": "object"}}},
        outlets=[model_asset(MODEL)],
    )
