"""The four variants of ``airflow_waits.py``, each a DAG with as many waits."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import Any

from airflow.providers.standard.sensors.date_time import DateTimeSensorAsync
from airflow.sdk import DAG

from airflow_provider_wriftai.sensors.versions import WriftAIVersionSensor

WAITS, MODELS, NUMBER = (int(os.environ[f"BENCHMARK_{name}"]) for name in ("WAITS", "MODELS", "NUMBER"))
INTERVAL = float(os.environ["BENCHMARK_INTERVAL"])
VARIANTS: dict[str, dict[str, Any]] = {
    "a": {"deferrable": True, "end_from_trigger": False},
    "b": {"deferrable": True},
    "c": {"start_from_trigger": True},
}

for variant, parameters in VARIANTS.items():
    with DAG(
        f"waits_{variant}", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC), max_active_tasks=WAITS
    ) as dag:
        for each in range(WAITS):
            WriftAIVersionSensor(
                task_id=f"wait_{each}",
                version=f"acme/{variant}-{each % MODELS}:{NUMBER}",
                poke_interval=INTERVAL,
                timeout=3600,
                **parameters,
            )
    globals()[dag.dag_id] = dag

with DAG(
    "waits_d",
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    max_active_tasks=WAITS,
    params={"at": "2026-01-01"},
) as waits_d:
    for each in range(WAITS):
        DateTimeSensorAsync(
            task_id=f"wait_{each}", target_time="{{ params.at }}", start_from_trigger=True, end_from_trigger=True
        )
