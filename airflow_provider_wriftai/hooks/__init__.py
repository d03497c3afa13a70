"""Hooks for WriftAI."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_wriftai.client.exports import load_on_use

if TYPE_CHECKING:
    from airflow_provider_wriftai.hooks.wriftai import WriftAIHook

__all__ = [
    "WriftAIHook",
]

__getattr__ = load_on_use(__name__, ("wriftai",))
