"""Prune several models by the same rules, but never a version that production pins.

Replace ``pinned_in_production`` with your source of truth: a deployment manifest, a table, or an API. The rules are the
DAG's params, so a manual run can change them or set ``dry_run``. Requires the connection ``wriftai_default`` and the
model ``acme/sentiment``.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from airflow_provider_wriftai.operators.cleanup import WriftAICleanupVersionsOperator

try:
    from airflow.sdk import Param, dag, task
except ImportError:  # Airflow 2.11
    from airflow.decorators import dag, task
    from airflow.models.param import Param

MODELS = ["acme/sentiment"]


@task
def pinned_in_production() -> list[dict[str, Any]]:
    """Return the references, numbers, or image digests that production runs; here, version 1 of each model."""
    return [{"model": model, "protect": [1]} for model in MODELS]


@dag(
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    tags=["wriftai"],
    doc_md=__doc__,
    params={
        "keep_last": Param(10, type="integer", minimum=1, description="how many of the newest versions to keep"),
        "older_than": Param("30d", type=["null", "string"], description="delete only versions older than this, if set"),
        "max_deletions": Param(100, type="integer", minimum=0, description="delete nothing if more versions are due"),
        "dry_run": Param(False, type="boolean", description="only report what would be deleted"),
    },
)
def prune_many_models() -> None:
    """Define the pipeline."""
    WriftAICleanupVersionsOperator.partial(
        task_id="prune",
        keep_last="{{ params.keep_last }}",
        # An empty form field disables this criterion.
        older_than="{{ params.older_than or 'none' }}",
        protect_release_notes="(?i)release",
        max_deletions="{{ params.max_deletions }}",
        dry_run="{{ params.dry_run }}",
        # One prune alone uses the whole rate limit of the token, so concurrent prunes are not faster.
        max_active_tis_per_dag=1,
    ).expand_kwargs(pinned_in_production())


prune_many_models()
