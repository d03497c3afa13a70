"""Prune all models of an owner by calendar rules.

Keeps the newest version of each of the last 7 days, 4 weeks, 12 months, and 3 years. Requires the connection
``wriftai_default`` and the owner ``acme``; ``make demo`` and ``make ui`` provide both.
"""

from __future__ import annotations

from datetime import datetime

from airflow_provider_wriftai.operators.cleanup import WriftAICleanupVersionsOperator
from airflow_provider_wriftai.operators.models import WriftAIListModelsOperator

try:
    from airflow.sdk import dag
except ImportError:  # Airflow 2.11
    from airflow.decorators import dag


@dag(
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    max_active_runs=1,
    params={"model_owner": "acme", "dry_run": False},
    tags=["wriftai"],
    doc_md=__doc__,
)
def prune_all_models() -> None:
    """Define the pipeline."""
    models = WriftAIListModelsOperator(task_id="list_models", model_owner="{{ params.model_owner }}")
    WriftAICleanupVersionsOperator.partial(
        task_id="prune",
        keep_daily=7,
        keep_weekly=4,
        keep_monthly=12,
        keep_yearly=3,
        max_deletions=100,
        dry_run="{{ params.dry_run }}",
        # One prune alone uses the whole rate limit of the token, so concurrent prunes are not faster.
        max_active_tis_per_dag=1,
    ).expand(model=models.output)


prune_all_models()
