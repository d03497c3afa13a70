"""A DAG that is scheduled on a watched model. Tests copy the file; the name of the copy selects its arguments."""

from __future__ import annotations

import json
import os
from datetime import datetime
from pathlib import Path

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG

from airflow_provider_wriftai.assets.models import watched_model

NAME = Path(__file__).stem

with DAG(
    NAME,
    schedule=[watched_model(**json.loads(os.environ["WATCHED"])[NAME])],
    start_date=datetime(2026, 1, 1),
    catchup=False,
    max_active_runs=16,
):
    # The scheduler completes an empty task without a worker.
    EmptyOperator(task_id="nothing")
