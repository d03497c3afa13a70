"""Waits for versions with hostile schemas, and an unrelated wait."""

from __future__ import annotations

import os
from datetime import datetime
from typing import Any

from airflow.sdk import dag, task

from airflow_provider_wriftai.sensors.versions import WriftAIVersionSensor

KEYS, DEEP, HARMLESS = os.environ["KEYS"], os.environ["DEEP"], os.environ["HARMLESS"]


@dag(schedule=None, start_date=datetime(2026, 1, 1), catchup=False)
def poisoned() -> None:
    wait: dict[str, Any] = {"deferrable": True, "poke_interval": 2, "timeout": 600}
    in_triggerer = WriftAIVersionSensor(task_id="keys", version=f"{KEYS}:2", **wait)
    WriftAIVersionSensor(task_id="keys_on_worker", version=f"{KEYS}:2", end_from_trigger=False, **wait)
    # In generation 1, a page of the list contains whole versions.
    listed: dict[str, Any] = {"release_notes": "poison", "wriftai_conn_id": "generation_1", **wait}
    WriftAIVersionSensor(task_id="listed", model=KEYS, **listed)
    WriftAIVersionSensor(task_id="deep", model=DEEP, max_consecutive_failures=1, **listed)
    WriftAIVersionSensor(task_id="harmless", version=f"{HARMLESS}:2", **wait)

    @task
    def read(version: Any) -> list[str]:
        return [type(version).__name__, version["reference"]]

    read(in_triggerer.output)


poisoned()
