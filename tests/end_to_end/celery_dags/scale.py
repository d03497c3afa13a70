"""Prune many models and publish many images at once. All tasks that use one token share one pool."""

from __future__ import annotations

import hashlib
import os
from datetime import datetime, timedelta
from typing import Any

from airflow import DAG

from airflow_provider_wriftai.operators.cleanup import WriftAICleanupVersionsOperator
from airflow_provider_wriftai.operators.versions import WriftAICreateVersionOperator

MODELS = [f"acme/model-{number}" for number in range(int(os.environ["MODELS"]))]
PUBLISHES = int(os.environ["PUBLISHES"])

TASK: dict[str, Any] = {"pool": os.environ["POOL"], "retries": 5, "retry_delay": timedelta(seconds=1)}

with DAG("scale", schedule="@once", start_date=datetime(2026, 1, 1), catchup=False):
    # Seven versions, one per day: the oldest four are due, and the first of them is protected.
    WriftAICleanupVersionsOperator.partial(task_id="prune", keep_last=2, older_than="84h", protect=[1], **TASK).expand(
        model=MODELS
    )
    WriftAICreateVersionOperator.partial(
        task_id="publish",
        schemas={"prediction": {"input": {"type": "object"}, "output": {"type": "string"}}},
        settle_seconds=8,
        **TASK,
    ).expand_kwargs(
        [
            {
                "model": model,
                "image": "sha256:" + hashlib.sha256(f"new image of {model}".encode()).hexdigest(),
                "release_notes": f"New image of {model}",
            }
            for model in MODELS[:PUBLISHES]
        ]
    )
