"""Operators for WriftAI."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_wriftai.client.exports import load_on_use

if TYPE_CHECKING:
    from airflow_provider_wriftai.operators.cleanup import WriftAICleanupVersionsOperator
    from airflow_provider_wriftai.operators.models import WriftAIListModelsOperator
    from airflow_provider_wriftai.operators.versions import (
        WriftAICreateVersionOperator,
        WriftAIDeleteVersionOperator,
        WriftAIGetVersionOperator,
        WriftAIUpdateVersionConfigurationOperator,
    )

__all__ = [
    "WriftAICleanupVersionsOperator",
    "WriftAICreateVersionOperator",
    "WriftAIDeleteVersionOperator",
    "WriftAIGetVersionOperator",
    "WriftAIListModelsOperator",
    "WriftAIUpdateVersionConfigurationOperator",
]

__getattr__ = load_on_use(__name__, ("versions", "cleanup", "models"))
