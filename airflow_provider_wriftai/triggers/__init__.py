"""Triggers for WriftAI."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_wriftai.client.exports import load_on_use

if TYPE_CHECKING:
    from airflow_provider_wriftai.triggers.published import WriftAIVersionPublishedTrigger
    from airflow_provider_wriftai.triggers.versions import WriftAIStartedVersionTrigger, WriftAIVersionTrigger

__all__ = [
    "WriftAIStartedVersionTrigger",
    "WriftAIVersionPublishedTrigger",
    "WriftAIVersionTrigger",
]

__getattr__ = load_on_use(__name__, ("versions", "published"))
