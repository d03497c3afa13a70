"""Uses of the public API that type-check. mypy reads this file; nothing runs it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from airflow_provider_wriftai._airflow.compat import XComArg
from airflow_provider_wriftai.assets import model_asset, watched_model
from airflow_provider_wriftai.operators import (
    WriftAICleanupVersionsOperator,
    WriftAICreateVersionOperator,
    WriftAIDeleteVersionOperator,
    WriftAIGetVersionOperator,
    WriftAIListModelsOperator,
    WriftAIUpdateVersionConfigurationOperator,
)
from airflow_provider_wriftai.sensors import WriftAIVersionSensor
from airflow_provider_wriftai.triggers import WriftAIVersionTrigger


def publish(result: XComArg) -> XComArg:
    """Pass the result of another task to every parameter of the create operator."""
    everything = WriftAICreateVersionOperator(
        task_id="everything",
        model=result,
        image=result,
        release_notes=result,
        schemas=result,
        image_selector=result,
        compatibilities=result,
        configuration=result,
        if_exists=result,
        lookback=result,
        settle_seconds=result,
        on_duplicate=result,
        remember=result,
    )
    WriftAICreateVersionOperator(
        task_id="values",
        model="acme/detector",
        image=Path("metadata.json"),
        release_notes="{{ run_id }}",
        schemas={"prediction": {"input": result, "output": {}}},
        compatibilities={"openai_embeddings": result},
        configuration={"hardware_identifier": result, "variable_names": [result]},
        if_exists="{{ params.if_exists }}",
        settle_seconds=timedelta(minutes=1),
    )
    WriftAICreateVersionOperator(
        task_id="list", model="acme/detector", image=["app@sha256:…"], release_notes="", schemas="schemas.json"
    )
    return everything.output


def wait(result: XComArg) -> None:
    """Pass the result of another task to every criterion of the sensor."""
    WriftAIVersionSensor(task_id="version", version=result, max_consecutive_failures=result)
    WriftAIVersionSensor(task_id="all", model=result, image=result, newer_than=result, release_notes=result)
    WriftAIVersionSensor(task_id="time", model="acme/detector", newer_than=datetime.now(UTC), release_notes="^v1")
    WriftAIVersionSensor(task_id="number", model="acme/detector", newer_than=3, image={"containerimage.digest": ""})
    WriftAIVersionTrigger(criteria={"version": "acme/detector:7"}, poll_interval=60, deadline=datetime.now(UTC))


def prune(result: XComArg) -> None:
    """Pass the result of another task to every parameter of the cleanup operator, and to the items of a list."""
    WriftAICleanupVersionsOperator(
        task_id="everything",
        model=result,
        keep_last=result,
        older_than=result,
        keep_daily=result,
        keep_weekly=result,
        keep_monthly=result,
        keep_yearly=result,
        protect=result,
        protect_release_notes=result,
        fail_on_unmatched_protection=result,
        only=result,
        max_deletions=result,
        dry_run=result,
    )
    WriftAICleanupVersionsOperator(
        task_id="items",
        model="acme/detector",
        older_than=timedelta(days=30),
        protect=[result, 3, "acme/detector:7", {"reference": "acme/detector:9"}],
        only={"1", "2"},
    )


def others(result: XComArg) -> None:
    """Use the other operators and the assets."""
    WriftAIGetVersionOperator(task_id="get", version=result, include_schemas=result)
    WriftAIDeleteVersionOperator(task_id="delete", version={"reference": "acme/detector:7"}, fail_if_missing=result)
    WriftAIUpdateVersionConfigurationOperator(
        task_id="move", version=result, hardware_identifier=result, variable_names=[result, "TOKEN"]
    )
    models = WriftAIListModelsOperator(task_id="models", model_owner=result)
    WriftAICleanupVersionsOperator.partial(task_id="prune", keep_last=10).expand(model=models.output)
    WriftAICleanupVersionsOperator(
        task_id="outlet",
        model="acme/detector",
        keep_last=1,
        outlets=[model_asset("acme/detector"), watched_model("acme/detector", poll_interval=timedelta(minutes=1))],
    )
