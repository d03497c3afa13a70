"""Every outcome of a wait, in every mode."""

from __future__ import annotations

import os
from datetime import datetime
from typing import Any

from airflow import __version__

from airflow_provider_wriftai.sensors.versions import WriftAIVersionSensor

try:
    from airflow.sdk import dag
except ImportError:  # Airflow 2.11
    from airflow.decorators import dag  # type: ignore[no-redef]

MODEL = os.environ["MODEL"]
THERE, NEVER_THERE, NOT_YET = f"{MODEL}:3", f"{MODEL}:2", f"{MODEL}:9"
MODES: dict[str, dict[str, Any]] = {
    "poke": {"mode": "poke"}, "reschedule": {"mode": "reschedule"}, "deferrable": {"deferrable": True}
}  # fmt: skip
if __version__.startswith("3.0."):
    del MODES["reschedule"]  # Airflow 3.0 does not apply its timeouts in ``airflow dags test``.
LATE: dict[str, Any] = {"version": NOT_YET, "timeout": 1}
DOWN: dict[str, Any] = {"version": THERE, "wriftai_conn_id": "down", "max_consecutive_failures": 0}

CASES: dict[str, tuple[dict[str, Any], str]] = {
    "there": ({"version": THERE}, "success"),
    "newest_there": ({"model": MODEL, "newer_than": 1}, "success"),
    "late": (LATE, "failed"),
    "late_soft_fail": ({**LATE, "soft_fail": True}, "skipped"),
    "late_never_fail": ({**LATE, "never_fail": True}, "skipped"),
    "late_backoff": ({**LATE, "exponential_backoff": True, "max_wait": 1, "soft_fail": True}, "skipped"),
    "refused": ({"version": THERE, "wriftai_conn_id": "refused"}, "failed"),
    "refused_soft_fail": ({"version": THERE, "wriftai_conn_id": "refused", "soft_fail": True}, "failed"),
    "refused_silent_fail": ({"version": THERE, "wriftai_conn_id": "refused", "silent_fail": True}, "failed"),
    "refused_never_fail": ({"version": THERE, "wriftai_conn_id": "refused", "never_fail": True}, "skipped"),
    "mistaken_soft_fail": ({"version": "acme/det:zero", "soft_fail": True}, "failed"),
    "mistaken_never_fail": ({"version": "acme/det:zero", "never_fail": True}, "skipped"),
    "deleted": ({"version": NEVER_THERE, "soft_fail": True}, "failed"),
    "down": (DOWN, "failed"),
    "down_soft_fail": ({**DOWN, "soft_fail": True}, "failed"),
    "down_never_fail": ({**DOWN, "never_fail": True}, "skipped"),
    "down_silent_fail": ({**DOWN, "silent_fail": True, "timeout": 1, "soft_fail": True}, "skipped"),
}


@dag(schedule=None, start_date=datetime(2026, 1, 1), catchup=False)
def modes() -> None:
    for mode, mode_parameters in MODES.items():
        for case, (parameters, _) in CASES.items():
            defaults = {"poke_interval": 1, "timeout": 60, "retries": 0}
            WriftAIVersionSensor(task_id=f"{case}-{mode}", **{**defaults, **mode_parameters, **parameters})


modes()
