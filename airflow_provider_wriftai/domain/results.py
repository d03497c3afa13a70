"""The results of tasks and the contents of events: a few plain fields, never foreign JSON.

Airflow's serialization gives meaning to the keys of dictionaries (``__classname__``, ``__type``, …) and fails on deep
nesting. A version's schemas are somebody else's JSON, so they are left out, or included as JSON text on request.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TypeAlias

from airflow_provider_wriftai.client.version import VersionRecord
from airflow_provider_wriftai.domain.object_text import UnreadableObjectError, parse_value

LONGEST_REPORTED_NOTES = 4096
"""Characters of release notes that a result or an event contains. The API accepts 255 at present."""

Scalar: TypeAlias = "str | int | float | bool | None"


def version_result(version: VersionRecord, *, with_schemas: bool = False, **extra: Scalar) -> dict[str, Scalar]:
    """Return a version as a task's result or an event's payload.

    Args:
        version: The version.
        with_schemas: Whether to include its ``schemas`` as JSON text.
        extra: More fields, such as ``outcome``.

    Returns:
        ``reference``; ``number`` or ``id``; ``release_notes``, ``created_at``, ``container_image_digest``, and ``size``
        as far as they are known, long release notes truncated; ``schemas`` on request; and the extra fields.
    """
    result: dict[str, Scalar] = {"reference": str(version.reference)}
    if version.number is not None:
        result["number"] = version.number
    else:
        result["id"] = str(version.reference)
    if version.release_notes is not None:
        notes = version.release_notes
        cut = len(notes) > LONGEST_REPORTED_NOTES
        result["release_notes"] = f"{notes[: LONGEST_REPORTED_NOTES - 1]}…" if cut else notes
    if version.created_at is not None:
        result["created_at"] = version.created_at.isoformat()
    if version.digest is not None:
        result["container_image_digest"] = version.digest
    size = version.body.get("size")
    if isinstance(size, int) and not isinstance(size, bool):
        result["size"] = size
    if with_schemas and version.has_schemas:
        result["schemas"] = json.dumps(version.body["schemas"], ensure_ascii=False)
    return result | extra


def find_reference(value: object) -> object:
    """Return the reference in a version as a task returned it; any other value as it is.

    Args:
        value: A mapping, or the text of one, as a plain template renders it.
    """
    if isinstance(value, str) and value.lstrip().startswith("{"):
        try:
            parsed = parse_value(value)
        except UnreadableObjectError:
            return value
        return parsed.get("reference", value) if isinstance(parsed, Mapping) else value
    return value.get("reference", value) if isinstance(value, Mapping) else value
