"""Waits in the triggerer, and DAGs that run when a version is published."""

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
START = datetime(2026, 1, 1)


@dag(schedule="@once", start_date=START, catchup=False)
def waits() -> None:
    wait: dict[str, Any] = {"model": os.environ["WAITED_FOR"], "newer_than": "start", "deferrable": True}
    WriftAIVersionSensor(task_id="deferred", poke_interval=2, timeout=600, **wait)
    WriftAIVersionSensor(task_id="timed_out", release_notes="never published", poke_interval=2, timeout=60, **wait)
    WriftAIVersionSensor(task_id="cleared", release_notes="never published", poke_interval=2, timeout=3600, **wait)
    if HAS_STORES:
        WriftAIVersionSensor(
            task_id="rescheduled", model=os.environ["WAITED_FOR"], newer_than="start", mode="reschedule",
            # Airflow may mistake a late executor event of one poke for the end of the next, and fail the task.
            poke_interval=10, timeout=600, retries=3, retry_delay=timedelta(seconds=1),
        )  # fmt: skip


waits()

PUBLISHED = os.environ["PUBLISHED"]


@dag(schedule="@once", start_date=START, catchup=False)
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


@dag(schedule=[model_asset(PUBLISHED)], start_date=START, catchup=False)
def on_publish() -> None:
    @task
    def list_versions(**context: Any) -> list[Any]:
        events = context["triggering_asset_events" if HAS_WATCHERS else "triggering_dataset_events"]
        asset = model_asset(PUBLISHED)
        return [version_of(event) for event in events[asset if HAS_WATCHERS else asset.uri]]

    list_versions()


on_publish()

if HAS_WATCHERS:
    watched = watched_model(os.environ["WATCHED"], poll_interval=2, seconds_between_events=3)

    @dag(schedule=[watched], start_date=START, catchup=False, max_active_runs=16)
    def on_event() -> None:
        @task
        def list_references(triggering_asset_events: Any = None) -> list[str]:
            return [version_of(event)["reference"] for event in triggering_asset_events[watched]]

        list_references()

    on_event()
