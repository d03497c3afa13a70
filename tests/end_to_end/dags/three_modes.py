"""One wait in each mode, and a task that writes down what they returned."""

from __future__ import annotations

import json
import os
from datetime import datetime
from pathlib import Path
from typing import Any

from airflow_provider_wriftai.sensors.versions import WriftAIVersionSensor

try:
    from airflow.sdk import dag, task
except ImportError:  # Airflow 2.11
    from airflow.decorators import dag, task  # type: ignore[no-redef]

MODEL = os.environ["MODEL"]


@task
def write_down(poked: object, rescheduled: object, deferred: object) -> None:
    Path(os.environ["RESULTS"]).write_text(json.dumps([poked, rescheduled, deferred]))


@dag(schedule=None, start_date=datetime(2026, 1, 1), catchup=False)
def three_modes() -> None:
    modes: list[dict[str, Any]] = [{"mode": "poke"}, {"mode": "reschedule"}, {"deferrable": True}]
    waits = [
        WriftAIVersionSensor(
            task_id=f"wait_{number}", version=f"{MODEL}:{number}", poke_interval=1, timeout=120, **mode
        )
        for number, mode in enumerate(modes, start=1)
    ]
    waits[0] >> waits[1] >> waits[2]
    write_down(*(wait.output for wait in waits))


three_modes()
