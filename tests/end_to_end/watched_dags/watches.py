"""A DAG that is scheduled on a watched model. The file's name says which; it is copied under several names."""

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
    # Airflow's scheduler runs it itself.
    EmptyOperator(task_id="nothing")
