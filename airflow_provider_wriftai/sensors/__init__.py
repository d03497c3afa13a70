"""Sensors for WriftAI."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_wriftai.client.exports import load_on_use

if TYPE_CHECKING:
    from airflow_provider_wriftai.sensors.versions import WriftAIVersionSensor

__all__ = [
    "WriftAIVersionSensor",
]

__getattr__ = load_on_use(__name__, ("versions",))
