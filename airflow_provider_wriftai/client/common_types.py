"""The values that the versions API speaks of, as documented for its client."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NotRequired, TypeAlias, TypedDict

JsonValue: TypeAlias = "Mapping[str, JsonValue] | Sequence[JsonValue] | str | int | float | bool | None"
"""Anything that JSON can say."""


class SchemaIO(TypedDict):
    """What goes into a prediction and what comes out, each a JSON Schema of Draft 2020-12."""

    input: Mapping[str, Any]
    output: Mapping[str, Any]
    stream_output: NotRequired[Mapping[str, Any]]


class Schemas(TypedDict):
    """The schemas of a version."""

    prediction: SchemaIO


class Version(TypedDict):
    """A version of a model, as the service sent it, plus ``reference``.

    The service sends ``id`` (generation 1) or ``number`` (generation 2). Lists of generation 2 leave
    out everything but ``number``, ``release_notes`` and ``created_at``. Fields that are not listed here
    are kept.
    """

    reference: str
    """How this version is named in calls: its id, or ``owner/name:number``. Added on reading."""
    release_notes: NotRequired[str]
    """What changed, at most 255 characters."""
    created_at: NotRequired[str]
    """When it was created: ISO 8601, UTC."""
    id: NotRequired[str]
    """The opaque id (generation 1)."""
    number: NotRequired[int]
    """The number, counting up within the model (generation 2)."""
    schemas: NotRequired[Schemas]
    container_image_digest: NotRequired[str]
    """``sha256:`` and 64 lower-case hexadecimal digits."""
    compatibilities: NotRequired[Mapping[str, bool]]
    """Which foreign endpoints the version can stand in for (generation 2)."""
    size: NotRequired[int]
    """Compressed size of the container image in bytes (generation 2)."""
    configuration: NotRequired[Mapping[str, Any]]
    """``hardware_identifier`` and ``variable_names`` (generation 2, answer to create)."""
