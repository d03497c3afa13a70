"""The values of the versions API, as documented for its client.

Annotations are evaluated here, unlike elsewhere: tools such as cattrs read the required and optional keys of a
TypedDict at run time, and ``from __future__ import annotations`` makes ``NotRequired`` invisible to them (bpo-44799).
"""

from collections.abc import Mapping
from typing import Any, NotRequired, TypedDict


class SchemaIO(TypedDict):
    """The input and the output of a prediction, each a JSON Schema of Draft 2020-12."""

    input: Mapping[str, Any]
    output: Mapping[str, Any]
    stream_output: NotRequired[Mapping[str, Any]]


class Schemas(TypedDict):
    """The schemas of a version."""

    prediction: SchemaIO


class VersionConfiguration(TypedDict):
    """The configuration of a version (generation 2)."""

    hardware_identifier: str
    """The hardware that the version runs on."""
    variable_names: list[str]
    """The names of the variables that the version reads."""


class UpdateVersionConfigurationParams(TypedDict):
    """A change to the configuration of a version. What is left out stays as it is."""

    hardware_identifier: NotRequired[str]
    """The hardware that the version runs on."""
    variable_names: NotRequired[list[str]]
    """The names of the variables that the version reads. They replace all current ones."""


class Version(TypedDict):
    """A version of a model as the service sent it, plus ``reference``.

    The service sends ``id`` (generation 1) or ``number`` (generation 2). Lists of generation 2 leave out everything but
    ``number``, ``release_notes``, ``created_at``, and on some deployments ``container_image_digest``. Fields that are
    not listed here are kept.
    """

    reference: str
    """How requests name this version: its id, or ``owner/name:number``. Added by the client."""
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
    """Which API endpoints of other vendors the version can serve (generation 2)."""
    size: NotRequired[int]
    """Compressed size of the container image in bytes (generation 2)."""
    configuration: NotRequired[VersionConfiguration]
    """The configuration (generation 2, in the response to create)."""


class Model(TypedDict):
    """A model in a list."""

    owner: str
    name: str
