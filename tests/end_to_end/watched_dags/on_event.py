"""The guide's example: a DAG that reads versions from the events of all publishers."""

from __future__ import annotations

import json
import os
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import dag, task

from airflow_provider_wriftai.assets.events import version_of
from airflow_provider_wriftai.assets.models import model_asset, watched_model

NAME = Path(__file__).stem
ARGUMENTS = json.loads(os.environ["WATCHED"])[NAME]
WATCHED = watched_model(**ARGUMENTS)
PUBLISHED = model_asset(ARGUMENTS["model"])


@dag(NAME, schedule=(WATCHED | PUBLISHED), start_date=datetime(2026, 1, 1), catchup=False)
def on_event() -> None:
    # On a busy machine, Airflow may fail a task before it has started.
    @task(retries=3, retry_delay=timedelta(seconds=1))
    def list_versions(triggering_asset_events: Any = None) -> list[list[str]]:
        versions = [version_of(event) for events in triggering_asset_events.values() for event in events]
        return [[version["reference"], version["outcome"]] for version in versions]

    list_versions()


on_event()
