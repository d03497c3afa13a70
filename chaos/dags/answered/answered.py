"""Deferred waits, each for a version whose release notes name the wait and the round."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime

from airflow.sdk import DAG

from airflow_provider_wriftai.sensors.versions import WriftAIVersionSensor

began = datetime(2026, 1, 1, tzinfo=UTC)
with DAG("answered", schedule=None, start_date=began, max_active_tasks=1000, params={"round": 0}):
    for wait in json.loads(os.environ["WAITS"]):
        name = wait["task_id"]
        WriftAIVersionSensor(
            release_notes=f"^{name} in round {{{{ params.round }}}}$",
            deferrable=True,
            poke_interval=1,
            timeout=3600,
            **wait,
        )
