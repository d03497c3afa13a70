"""Prune with rules from another task, of which one is empty. Each prune must fail."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

from airflow_provider_wriftai.operators.cleanup import WriftAICleanupVersionsOperator

try:
    from airflow.sdk import dag, task
except ImportError:  # Airflow 2.11
    from airflow.decorators import dag, task  # type: ignore[no-redef]

RULES = ("older_than", "protect", "protect_release_notes", "only", "max_deletions")


@task
def rules() -> list[dict[str, object]]:
    return [{rule: None} for rule in RULES]


@task(trigger_rule="all_failed")
def write_down() -> None:
    Path(os.environ["RESULTS"]).write_text("all failed")


@dag(schedule=None, start_date=datetime(2026, 1, 1), catchup=False)
def mapped_nothing() -> None:
    prune = WriftAICleanupVersionsOperator.partial(
        task_id="prune", model=os.environ["MODEL"], keep_last=1
    ).expand_kwargs(rules())
    prune >> write_down()


mapped_nothing()
