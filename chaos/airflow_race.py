"""Airflow's deferral race: what a scheduler logs when it takes the report of a deferral for one of the resumed task."""

from __future__ import annotations

from collections.abc import Collection
from importlib.metadata import version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.support.real_airflow import RealAirflow

_RACE = "finished with state success, but the task instance's state attribute is"


def find_raced(airflow: RealAirflow, tasks: Collection[str]) -> set[str]:
    """Return which of some tasks the scheduler says it has failed by its race."""
    scheduler = (airflow.home / "scheduler.log").read_text(errors="replace")
    lines = [line for line in scheduler.splitlines() if _RACE in line]
    return {task for task in tasks if any(f".{task} " in line for line in lines)}


def find_why_missing() -> str | None:
    """Return why a whole Airflow cannot be tested on this machine; None if it can."""
    airflow = version("apache-airflow")
    is_new = tuple(map(int, airflow.split(".")[:2])) >= (3, 3)
    return None if is_new else f"Airflow {airflow} keeps no checkpoints of events"
