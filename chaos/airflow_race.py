"""Detect Airflow's deferral race.

The scheduler mistakes the report of a deferral for one of the resumed task, and fails the task.
"""

from __future__ import annotations

from collections.abc import Collection
from importlib.metadata import version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.support.real_airflow import RealAirflow

_RACE = "finished with state success, but the task instance's state attribute is"


def find_raced(airflow: RealAirflow, tasks: Collection[str]) -> set[str]:
    """Return the tasks that failed because of the race, according to the scheduler's log."""
    scheduler = (airflow.home / "scheduler.log").read_text(errors="replace")
    lines = [line for line in scheduler.splitlines() if _RACE in line]
    return {task for task in tasks if any(f".{task} " in line for line in lines)}


def find_skip_reason() -> str | None:
    """Return why scenarios with a complete Airflow cannot run here; None if they can."""
    airflow = version("apache-airflow")
    is_new = tuple(map(int, airflow.split(".")[:2])) >= (3, 3)
    return None if is_new else f"Airflow {airflow} has no store for checkpoints of events"
