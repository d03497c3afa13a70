"""Rehearse a prune, show a person what would be deleted, and delete it only if they approve.

Requires Airflow 3.1 or later, which has human-in-the-loop operators; on older releases the file contains no DAG.
Requires the connection ``wriftai_default`` and the model ``acme/sentiment``.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.exceptions import AirflowException

from airflow_provider_wriftai.operators.cleanup import WriftAICleanupVersionsOperator

try:
    from airflow.sdk import dag
except ImportError:  # Airflow 2.11
    from airflow.decorators import dag

try:
    from airflow.providers.standard.operators.hitl import ApprovalOperator
except (ImportError, AirflowException):  # before Airflow 3.1
    ApprovalOperator = None  # type: ignore[assignment, misc]


@dag(schedule=None, start_date=datetime(2026, 1, 1), catchup=False, tags=["wriftai"], doc_md=__doc__)
def prune_after_approval() -> None:
    """Define the pipeline."""
    rehearse = WriftAICleanupVersionsOperator(task_id="rehearse", model="acme/sentiment", keep_last=5, dry_run=True)
    approve = ApprovalOperator(
        task_id="approve",
        subject="Prune acme/sentiment? Versions to delete: {{ ti.xcom_pull(task_ids='rehearse')['planned_count'] }}",
        body="""
| version | created | why |
|---|---|---|
{% for entry in ti.xcom_pull(task_ids='rehearse')['planned'][:100] -%}
| {{ entry['reference'] }} | {{ entry['created_at'] }} | {{ entry['reason'] }} |
{% endfor %}""",
        defaults="Reject",
        response_timeout=timedelta(days=1),
    )
    prune = WriftAICleanupVersionsOperator(
        task_id="prune",
        model="acme/sentiment",
        keep_last=5,
        # Delete only what was approved, not what has become due since. Unlike 'planned', 'only' is never truncated.
        only="{{ ti.xcom_pull(task_ids='rehearse')['only'] }}",
    )
    rehearse >> approve >> prune


if ApprovalOperator is not None:
    prune_after_approval()
