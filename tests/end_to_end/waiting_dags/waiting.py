"""Waits that start and end on workers and in the triggerer (Airflow 3.3)."""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from typing import Any

from airflow.sdk import Asset, Param, dag, task

from airflow_provider_wriftai.sensors.versions import WriftAIVersionSensor

MODEL = os.environ["WAITED_FOR"]


@dag(schedule=None, start_date=datetime(2026, 1, 1), catchup=False, params={"model": Param(MODEL)})
def waiting() -> None:
    wait: dict[str, Any] = {"version": f"{MODEL}:2", "poke_interval": 2, "timeout": 600}
    started = {**wait, "version": "{{ params.model }}:2", "start_from_trigger": True}
    never: dict[str, Any] = {**wait, "version": f"{MODEL}:99"}

    WriftAIVersionSensor(task_id="poke", **wait)
    WriftAIVersionSensor(task_id="ended_by_worker", deferrable=True, end_from_trigger=False, **wait)
    WriftAIVersionSensor(task_id="with_outlet", deferrable=True, outlets=[Asset("released")], **wait)
    ended = WriftAIVersionSensor(task_id="ended_by_trigger", deferrable=True, **wait)
    WriftAIVersionSensor(task_id="started_by_trigger", **started)
    WriftAIVersionSensor(task_id="started_with_outlet", outlets=[Asset("released, too")], **started)
    WriftAIVersionSensor(
        task_id="newer_than_start", model="{{ params.model }}", newer_than="start", start_from_trigger=True,
        poke_interval=2, timeout=600,
    )  # fmt: skip
    WriftAIVersionSensor(task_id="without_result", do_xcom_push=False, **started)
    WriftAIVersionSensor.partial(task_id="mapped", deferrable=True, poke_interval=2, timeout=600).expand(
        version=[f"{MODEL}:2"]
    )

    WriftAIVersionSensor(task_id="skipped", **{**never, "timeout": 5}, soft_fail=True, start_from_trigger=True)
    WriftAIVersionSensor(task_id="timed_out", **{**never, "timeout": 5}, deferrable=True, retries=2)
    limited = {**never, "execution_timeout": timedelta(seconds=6), "soft_fail": True, "retries": 1}
    WriftAIVersionSensor(task_id="limited", deferrable=True, retry_delay=timedelta(seconds=1), **limited)
    WriftAIVersionSensor(
        task_id="limited_started", start_from_trigger=True, retry_delay=timedelta(seconds=1), **limited
    )

    # The check at parse time would refuse this template, so it is set afterwards.
    pulls = WriftAIVersionSensor(task_id="pulls_an_xcom", start_from_trigger=True, **wait)
    arguments = pulls.start_trigger_args
    assert arguments is not None
    assert arguments.trigger_kwargs is not None
    arguments.trigger_kwargs["version"] = "{{ ti.xcom_pull(task_ids='poke') }}"

    @task
    def read(version: Any) -> str:
        return f"{type(version).__name__} {version['reference']}"

    read(ended.output)


waiting()
