"""A prune that is killed halfway, and retried."""

from __future__ import annotations

import os
from datetime import datetime, timedelta

from airflow import DAG

from airflow_provider_wriftai.operators.cleanup import WriftAICleanupVersionsOperator

with DAG("pruning", schedule="@once", start_date=datetime(2026, 1, 1), catchup=False):
    WriftAICleanupVersionsOperator(
        task_id="prune",
        model=os.environ["MODEL"],
        keep_last=3,
        protect=[7],
        retries=3,
        retry_delay=timedelta(seconds=float(os.environ["RETRY_DELAY"])),
    )
