"""OCI indexes and Docker's manifest lists (OCI image-spec, image-index.md)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from airflow_provider_wriftai.client.text import truncated_repr
from airflow_provider_wriftai.domain.images.descriptor import read_descriptor
from airflow_provider_wriftai.domain.images.errors import InvalidImageError
from airflow_provider_wriftai.domain.images.image import Entry, Image, Part, names_of
from airflow_provider_wriftai.domain.images.inspected import refuse_buildah

_DESCRIPTOR_KEYS = frozenset({"digest", "size", "urls", "annotations", "data", "artifactType", "platform"})


def is_index(metadata: Mapping[str, Any]) -> bool:
    """Return whether it is an index."""
    return "manifests" in metadata


def read_index(index: Mapping[str, Any], subject: str) -> Iterator[Entry]:
    """Read an index.

    Where it states its own digest, as ``docker buildx imagetools inspect`` prints it, that is the image: it is what
    the tag names. The entries are then parts, to be chosen by their platform.
    """
    entries = read_manifests(index, subject)
    if "digest" not in index:
        yield from entries
        return
    yield read_descriptor(index, subject)
    yield from (Part(each) if isinstance(each, Image) else each for each in entries)


def read_manifests(index: Mapping[str, Any], subject: str) -> list[Entry]:
    """Read the entries of an index.

    Raises:
        InvalidImageError: It has no list of them.
    """
    manifests = index.get("manifests")
    if not isinstance(manifests, list) or not all(isinstance(entry, Mapping) for entry in manifests):
        raise InvalidImageError(f"{subject} has no list of 'manifests'.")
    return [read_descriptor(entry, subject) for entry in manifests]


def is_inspected(metadata: Mapping[str, Any]) -> bool:
    """Return whether it is what ``docker buildx imagetools inspect --format '{{json .}}'`` prints."""
    return isinstance(metadata.get("manifest"), Mapping) and "digest" in metadata["manifest"]


def read_inspected(metadata: Mapping[str, Any], subject: str) -> Iterator[Entry]:
    """Read what ``docker buildx imagetools inspect --format '{{json .}}'`` prints."""
    manifest, names = metadata["manifest"], names_of(metadata.get("name"))
    entries = read_index(manifest, subject) if is_index(manifest) else iter([read_descriptor(manifest, subject)])
    for entry in entries:
        yield Image(entry.digest, (*names, *entry.names)) if isinstance(entry, Image) else entry


def has_digest(metadata: Mapping[str, Any]) -> bool:
    """Return whether it may be a descriptor."""
    return "digest" in metadata


def read_one_descriptor(metadata: Mapping[str, Any], subject: str) -> Iterator[Entry]:
    """Read a descriptor.

    Raises:
        InvalidImageError: It is something else with a digest, which may be that of a local copy or of the config.
    """
    refuse_buildah(metadata, subject)
    if "mediaType" not in metadata and (others := metadata.keys() - _DESCRIPTOR_KEYS):
        raise InvalidImageError(
            f"{subject} has a 'digest', but is not an OCI descriptor: it has {truncated_repr(min(others, key=str))} "
            "and no 'mediaType'. If it is the digest that the registry has, pass only the digest."
        )
    yield read_descriptor(metadata, subject)
