"""Waits in the triggerer, and DAGs that are scheduled on what is published."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import dag, task

from airflow_provider_wriftai.assets.models import model_asset, watched_model
from airflow_provider_wriftai.sensors.versions import WriftAIVersionSensor

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


@dag(schedule="@once", start_date=BEGAN, catchup=False, max_active_tasks=100)
def waits() -> None:
    for wait in json.loads(os.environ["WAITS"]):
        WriftAIVersionSensor(deferrable=True, poke_interval=2, retry_delay=timedelta(seconds=2), **wait)


waits()

for number, model in enumerate(json.loads(os.environ["HEARD_OF"])):
    heard_of = watched_model(model, poll_interval=1, seconds_between_events=1)

    # Nothing but the events counts here, and without a run the machine has time for them.
    @dag(f"hears-{number}", schedule=[heard_of, model_asset("acme/never")], start_date=BEGAN, catchup=False)
    def hears() -> None:
        @task
        def tell(triggering_asset_events: Any = None) -> None:
            print(triggering_asset_events)

        tell()

    hears()
