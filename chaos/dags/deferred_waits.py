"""Waits in the triggerer, and DAGs that are scheduled on what is published."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import AssetWatcher, dag, task

from airflow_provider_wriftai.assets.models import model_asset
from airflow_provider_wriftai.sensors.versions import WriftAIVersionSensor
from airflow_provider_wriftai.triggers.published import WriftAIVersionPublishedTrigger

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


@dag(schedule="@once", start_date=BEGAN, catchup=False, max_active_tasks=100)
def waits() -> None:
    for wait in json.loads(os.environ["WAITS"]):
        WriftAIVersionSensor(deferrable=True, poke_interval=2, retry_delay=timedelta(seconds=2), **wait)


waits()

for number, model in enumerate(json.loads(os.environ["HEARD_OF"])):
    trigger = WriftAIVersionPublishedTrigger(model=model, poll_interval=1, seconds_between_events=1)
    heard_of = model_asset(model, [AssetWatcher("published", trigger=trigger)])

    # Nothing but the events counts here, and without a run the machine has time for them.
    @dag(f"hears-{number}", schedule=[heard_of, model_asset("acme/never")], start_date=BEGAN, catchup=False)
    def hears() -> None:
        @task
        def tell(triggering_asset_events: Any = None) -> None:
            print(triggering_asset_events)

        tell()

    hears()
