"""Look whether a version is there."""

from __future__ import annotations

from airflow_provider_wriftai.client.common_types import Version
from airflow_provider_wriftai.client.errors import NotFoundError
from airflow_provider_wriftai.client.versions import Versions


def look(versions: Versions, reference: str) -> Version | None:
    """Look once for a version.

    Args:
        versions: The client.
        reference: The version's id, or ``owner/name:number``.

    Returns:
        The version, or None while the service does not know it.

    Raises:
        WriftAIError: What the client raises, but for a 404.
    """
    try:
        return versions.get(reference)
    except NotFoundError:
        return None


async def async_look(versions: Versions, reference: str) -> Version | None:
    """Look once as :func:`look` does, asynchronously."""
    try:
        return await versions.async_get(reference)
    except NotFoundError:
        return None
