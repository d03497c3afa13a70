"""JSON that a build or a user wrote."""

from __future__ import annotations

import json
from typing import Any

from airflow_provider_wriftai.domain.publishing.errors import InvalidImageError


def parse_object(text: str | bytes, what: str) -> dict[str, Any]:
    """Parse a JSON object.

    Args:
        text: The JSON.
        what: What it is, to begin a sentence with.

    Raises:
        InvalidImageError: It is none.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidImageError(f"{what} looks like JSON but is not: {error}") from error
    if not isinstance(value, dict):
        raise InvalidImageError(f"{what} is a JSON {type(value).__name__}, not an object.")
    return value
