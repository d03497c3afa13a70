"""Run once for each published version, whoever publishes it.

Requires Airflow 3, which starts DAGs on events from outside; on Airflow 2 the file contains no DAG. Requires the
connection ``wriftai_default`` and the model ``acme/sentiment``.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from airflow_provider_wriftai.assets.events import version_of
from airflow_provider_wriftai.assets.models import watched_model

try:
    from airflow.sdk import AssetWatcher, dag, task
except ImportError:  # Airflow 2.11
    AssetWatcher = None  # type: ignore[assignment, misc]


def _evaluate_each_version() -> None:
    sentiment = watched_model("acme/sentiment", poll_interval=30)

    @task
    def evaluate(triggering_asset_events: Any = None) -> list[str]:
        """Evaluate the published versions; replace this with your evaluation."""
        versions = [version_of(event) for event in triggering_asset_events[sentiment]]
        return [f"{version['reference']}: {version.get('release_notes', '')}" for version in versions]

    @dag(schedule=[sentiment], start_date=datetime(2026, 1, 1), catchup=False, tags=["wriftai"], doc_md=__doc__)
    def evaluate_each_version() -> None:
        evaluate()

    evaluate_each_version()


if AssetWatcher is not None:
    _evaluate_each_version()
