"""A prune that somebody marks while it runs, with callbacks that leave a file."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import Any

from airflow.sdk import DAG

from airflow_provider_wriftai.operators.cleanup import WriftAICleanupVersionsOperator


def note_success(context: Any) -> None:
    """Leave a file that says so."""
    Path(os.environ["CALLED_BACK"]).write_text("success")


def note_failure(context: Any) -> None:
    """Leave a file that says so."""
    Path(os.environ["CALLED_BACK"]).write_text("failure")


with DAG("marked_prune", schedule=None, start_date=datetime(2026, 1, 1), catchup=False):
    WriftAICleanupVersionsOperator(
        task_id="prune",
        model="acme/sentiment",
        keep_last=1,
        on_success_callback=note_success,
        on_failure_callback=note_failure,
    )
