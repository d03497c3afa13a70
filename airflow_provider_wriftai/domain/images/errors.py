"""The errors of reading an image."""

from __future__ import annotations

from airflow_provider_wriftai.client.errors import WriftAIError


class InvalidImageError(WriftAIError, ValueError):
    """The value does not contain the digest of exactly one image."""
