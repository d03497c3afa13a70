"""Run once for each version that is published, by whomever.

Needs Airflow 3 or newer, which starts DAGs on events from outside; before that the file holds no DAG. Needs the
connection ``wriftai_default`` and the model ``acme/sentiment``.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from airflow_provider_wriftai.assets.models import model_asset
from airflow_provider_wriftai.triggers.published import WriftAIVersionPublishedTrigger

try:
    from airflow.sdk import AssetWatcher, dag, task
except ImportError:  # Airflow 2.11
    AssetWatcher = None  # type: ignore[assignment, misc]


def _evaluate_each_version() -> None:
    watcher = AssetWatcher(
        name="published",
        trigger=WriftAIVersionPublishedTrigger(model="acme/sentiment", poll_interval=30),
    )
    sentiment = model_asset("acme/sentiment", watchers=[watcher])

    @task
    def evaluate(triggering_asset_events: Any = None) -> list[str]:
        """Stands for an evaluation of what was published."""
        told = [event.extra["payload"] for event in triggering_asset_events[sentiment] if "payload" in event.extra]
        return [f"{version['reference']}: {version['release_notes']}" for version in told]

    @dag(schedule=[sentiment], start_date=datetime(2026, 1, 1), catchup=False, tags=["wriftai"], doc_md=__doc__)
    def evaluate_each_version() -> None:
        evaluate()

    evaluate_each_version()


if AssetWatcher is not None:
    _evaluate_each_version()
