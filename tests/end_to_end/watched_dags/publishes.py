"""A DAG that publishes to a model that another DAG file watches. It never runs."""

from __future__ import annotations

import json
import os
from datetime import datetime
from pathlib import Path

from airflow.sdk import DAG

from airflow_provider_wriftai.assets.models import model_asset
from airflow_provider_wriftai.operators.versions import WriftAICreateVersionOperator

NAME = Path(__file__).stem
MODEL = json.loads(os.environ["WATCHED"])[NAME]["model"]

with DAG(NAME, schedule=None, start_date=datetime(2026, 1, 1), catchup=False):
    WriftAICreateVersionOperator(
        task_id="publish",
        model=MODEL,
        image="sha256:" + "cd" * 32,
        release_notes="x",
        schemas={"prediction": {"input": {}, "output": {}}},
        outlets=[model_asset(MODEL)],
    )
