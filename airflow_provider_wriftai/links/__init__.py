"""Extra links of WriftAI's tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_wriftai.client.exports import load_on_use

if TYPE_CHECKING:
    from airflow_provider_wriftai.links.versions import WriftAIVersionLink

__all__ = [
    "WriftAIVersionLink",
]

__getattr__ = load_on_use(__name__, ("versions",))
