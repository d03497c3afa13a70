"""Jib's ``jib-image.json``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from airflow_provider_wriftai.domain.images.descriptor import read_digest
from airflow_provider_wriftai.domain.images.image import Entry, Image, tagged_names


def is_jib(metadata: Mapping[str, Any]) -> bool:
    """Return whether it is Jib's."""
    return "imageDigest" in metadata


def read_jib(metadata: Mapping[str, Any], subject: str) -> Iterator[Entry]:
    """Read ``imageDigest``: with several platforms it equals ``imageId``, and both are the manifest list's."""
    names = tagged_names(metadata.get("image"), metadata.get("tags"))
    entry = read_digest(metadata, "imageDigest", subject, names)
    if isinstance(entry, Image) and metadata.get("imagePushed") is False:
        # Jib writes false for an image that was there already, too.
        warning = f"{subject} reports that Jib did not push the image; make sure that the registry has {entry.digest}."
        entry = Image(entry.digest, entry.names, (warning,))
    yield entry
