"""Assets of WriftAI."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_wriftai.client.exports import load_on_use

if TYPE_CHECKING:
    from airflow_provider_wriftai.assets.events import PublishedVersion, version_of
    from airflow_provider_wriftai.assets.models import model_asset, watched_model

__all__ = [
    "PublishedVersion",
    "model_asset",
    "version_of",
    "watched_model",
]

__getattr__ = load_on_use(__name__, ("models", "events"))
