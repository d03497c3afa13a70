"""Deferred waits, and tasks that are marked and cleared; a second file that uses the watched model."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import DAG

from airflow_provider_wriftai.assets.models import model_asset
from airflow_provider_wriftai.operators.cleanup import WriftAICleanupVersionsOperator
from airflow_provider_wriftai.operators.versions import WriftAICreateVersionOperator
from airflow_provider_wriftai.sensors.versions import WriftAIVersionSensor

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
CLASSES: dict[str, Any] = {"publish": WriftAICreateVersionOperator, "prune": WriftAICleanupVersionsOperator}

with DAG("operated", schedule=None, start_date=BEGAN, max_active_tasks=100):
    for kind, arguments in json.loads(os.environ["OPERATED"]):
        outlets = [model_asset(os.environ["WATCHED"])]
        CLASSES[kind](outlets=outlets, retries=3, retry_delay=timedelta(seconds=1), **arguments)

with DAG("waits", schedule=None, start_date=BEGAN, max_active_tasks=100):
    for wait in json.loads(os.environ["WAITS"]):
        WriftAIVersionSensor(deferrable=True, poke_interval=2, **wait)
