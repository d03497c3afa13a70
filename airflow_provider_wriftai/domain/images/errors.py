"""What can go wrong with reading an image."""

from __future__ import annotations

from airflow_provider_wriftai.client.errors import WriftAIError


class InvalidImageError(WriftAIError, ValueError):
    """What was handed over does not tell the digest of one image."""
