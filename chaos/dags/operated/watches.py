"""A DAG that is scheduled on a watched model; it never runs, to save CPU."""

from __future__ import annotations

import os
from datetime import UTC, datetime

from airflow.sdk import DAG, Asset

from airflow_provider_wriftai.assets.models import watched_model

watched = watched_model(os.environ["WATCHED"], poll_interval=1, seconds_between_events=1)

with DAG("watches", schedule=[watched, Asset("never")], start_date=datetime(2026, 1, 1, tzinfo=UTC), catchup=False):
    pass
