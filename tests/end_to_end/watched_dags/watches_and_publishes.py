"""A DAG that is scheduled on a watched model, has it as an inlet, and has a task that would publish to the model."""

from __future__ import annotations

import json
import os
from datetime import datetime
from pathlib import Path

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG

from airflow_provider_wriftai.assets.models import model_asset, watched_model
from airflow_provider_wriftai.operators.versions import WriftAICreateVersionOperator

NAME = Path(__file__).stem
ARGUMENTS = json.loads(os.environ["WATCHED"])[NAME]

with DAG(
    NAME, schedule=[watched_model(**ARGUMENTS)], start_date=datetime(2026, 1, 1), catchup=False, max_active_runs=16
):
    EmptyOperator(task_id="nothing", inlets=[watched_model(**ARGUMENTS)]) >> WriftAICreateVersionOperator(
        task_id="publish",
        model=ARGUMENTS["model"],
        image="sha256:" + "cd" * 32,
        release_notes="x",
        schemas={"prediction": {"input": {}, "output": {}}},
        outlets=[model_asset(ARGUMENTS["model"])],
        trigger_rule="all_failed",
    )
