"""Waits in the triggerer, and a DAG that runs for what is published."""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from typing import Any

from airflow_provider_wriftai._airflow.compat import AIRFLOW_VERSION, HAS_WATCHERS
from airflow_provider_wriftai.assets.events import version_of
from airflow_provider_wriftai.assets.models import model_asset, watched_model
from airflow_provider_wriftai.operators.versions import WriftAICreateVersionOperator
from airflow_provider_wriftai.sensors.versions import WriftAIVersionSensor

try:
    from airflow.sdk import dag, task
except ImportError:  # Airflow 2.11
    from airflow.decorators import dag, task  # type: ignore[no-redef]

HAS_STORES = AIRFLOW_VERSION >= (3, 3)
BEGAN = datetime(2026, 1, 1)


@dag(schedule="@once", start_date=BEGAN, catchup=False)
def waits() -> None:
    wait: dict[str, Any] = {"model": os.environ["WAITED_FOR"], "newer_than": "start", "deferrable": True}
    WriftAIVersionSensor(task_id="until_it_is_there", poke_interval=2, timeout=600, **wait)
    WriftAIVersionSensor(
        task_id="until_it_is_too_late", release_notes="never published", poke_interval=2, timeout=60, **wait
    )
    WriftAIVersionSensor(
        task_id="until_somebody_clears_it", release_notes="never published", poke_interval=2, timeout=3600, **wait
    )
    if HAS_STORES:
        WriftAIVersionSensor(
            task_id="looking_anew", model=os.environ["WAITED_FOR"], newer_than="start", mode="reschedule",
            # Airflow may take what it hears late of one look for the end of the next, and fail it.
            poke_interval=10, timeout=600, retries=3, retry_delay=timedelta(seconds=1),
        )  # fmt: skip


waits()

PUBLISHED = os.environ["PUBLISHED"]


@dag(schedule="@once", start_date=BEGAN, catchup=False)
def publishes() -> None:
    WriftAICreateVersionOperator(
        task_id="publish",
        model=PUBLISHED,
        image="sha256:" + "cd" * 32,
        release_notes="x",
        schemas={"prediction": {"input": {}, "output": {}}},
        outlets=[model_asset(PUBLISHED)],
    )


publishes()


@dag(schedule=[model_asset(PUBLISHED)], start_date=BEGAN, catchup=False)
def follows() -> None:
    @task
    def tell(**context: Any) -> list[Any]:
        events = context["triggering_asset_events" if HAS_WATCHERS else "triggering_dataset_events"]
        asset = model_asset(PUBLISHED)
        return [version_of(event) for event in events[asset if HAS_WATCHERS else asset.uri]]

    tell()


follows()

if HAS_WATCHERS:
    published = watched_model(os.environ["HEARD_OF"], poll_interval=2, seconds_between_events=3)

    @dag(schedule=[published], start_date=BEGAN, catchup=False, max_active_runs=16)
    def hears() -> None:
        @task
        def tell(triggering_asset_events: Any = None) -> list[str]:
            return [version_of(event)["reference"] for event in triggering_asset_events[published]]

        tell()

    hears()
