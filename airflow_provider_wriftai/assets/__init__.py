"""Assets of WriftAI."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_wriftai.client.exports import load_on_use

if TYPE_CHECKING:
    from airflow_provider_wriftai.assets.models import model_asset

__all__ = [
    "model_asset",
]

__getattr__ = load_on_use(__name__, ("models",))
