"""OCI indexes and Docker's manifest lists (OCI image-spec, image-index.md)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from airflow_provider_wriftai.domain.images.descriptor import read_descriptor
from airflow_provider_wriftai.domain.images.errors import InvalidImageError
from airflow_provider_wriftai.domain.images.image import Entry, Image, Part, names_of


def is_index(metadata: Mapping[str, Any]) -> bool:
    """Return whether it is an index."""
    return "manifests" in metadata


def read_index(index: Mapping[str, Any], what: str) -> Iterator[Entry]:
    """Read an index.

    Where it states its own digest, as ``docker buildx imagetools inspect`` prints it, that is the image: it is what
    the tag names. The entries are then parts, to be chosen by their platform.
    """
    entries = read_manifests(index, what)
    if "digest" not in index:
        yield from entries
        return
    yield read_descriptor(index, what)
    yield from (Part(each) if isinstance(each, Image) else each for each in entries)


def read_manifests(index: Mapping[str, Any], what: str) -> list[Entry]:
    """Read the entries of an index.

    Raises:
        InvalidImageError: It has no list of them.
    """
    manifests = index.get("manifests")
    if not isinstance(manifests, list) or not all(isinstance(entry, Mapping) for entry in manifests):
        raise InvalidImageError(f"{what} has no list of 'manifests'.")
    return [read_descriptor(entry, what) for entry in manifests]


def is_inspected(metadata: Mapping[str, Any]) -> bool:
    """Return whether it is what ``docker buildx imagetools inspect --format '{{json .}}'`` prints."""
    return isinstance(metadata.get("manifest"), Mapping) and "digest" in metadata["manifest"]


def read_inspected(metadata: Mapping[str, Any], what: str) -> Iterator[Entry]:
    """Read what ``docker buildx imagetools inspect --format '{{json .}}'`` prints."""
    manifest, names = metadata["manifest"], names_of(metadata.get("name"))
    entries = read_index(manifest, what) if is_index(manifest) else iter([read_descriptor(manifest, what)])
    for entry in entries:
        yield Image(entry.digest, (*names, *entry.names)) if isinstance(entry, Image) else entry


def is_descriptor(metadata: Mapping[str, Any]) -> bool:
    """Return whether it is a descriptor."""
    return "digest" in metadata


def read_one_descriptor(metadata: Mapping[str, Any], what: str) -> Iterator[Entry]:
    """Read a descriptor."""
    yield read_descriptor(metadata, what)
