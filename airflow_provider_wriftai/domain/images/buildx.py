"""The metadata of docker buildx (``--metadata-file``), of buildah in the same format, and of build-push-action."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from airflow_provider_wriftai.client.references import is_digest
from airflow_provider_wriftai.client.text import truncated_repr
from airflow_provider_wriftai.domain.images.descriptor import describes_image, read_descriptor, read_digest
from airflow_provider_wriftai.domain.images.image import Entry, Image, UnusableEntry, names_of, within

_DIGEST = "containerimage.digest"
_CONFIG = "containerimage.config.digest"
_DESCRIPTOR = "containerimage.descriptor"
_NOT_PUSHED = (
    "that is the image id and not the digest, because the image was not pushed. Push it (docker buildx build --push)."
)


def is_build(metadata: Mapping[str, Any]) -> bool:
    """Return whether it is the metadata of one build."""
    return _DIGEST in metadata or isinstance(metadata.get(_DESCRIPTOR), Mapping)


def read_build(metadata: Mapping[str, Any], subject: str) -> Iterator[Entry]:
    """Read the metadata of one build. ``containerimage.config.digest`` is the image id and is never taken."""
    named = metadata.get("image.name")
    names = names_of(*(each.strip() for each in named.split(","))) if isinstance(named, str) else ()
    descriptor = metadata.get(_DESCRIPTOR)
    if _DIGEST in metadata:
        digest = metadata[_DIGEST]
        # Builders that know no config digest repeat the other one; the descriptor distinguishes these from an image id.
        if is_digest(digest) and digest == metadata.get(_CONFIG) and not describes_image(descriptor, digest):
            yield UnusableEntry(f"{subject} has the same digest as {_DIGEST!r} and {_CONFIG!r}: {_NOT_PUSHED}", names)
            return
        yield read_digest(metadata, _DIGEST, subject, names)
    if isinstance(descriptor, Mapping):
        yield read_descriptor(descriptor, f"{_DESCRIPTOR!r} of {within(subject)}", names)


def is_bake(metadata: Mapping[str, Any]) -> bool:
    """Return whether it is the metadata of a bake: of several builds by target."""
    return any(isinstance(built, Mapping) and is_build(built) for built in metadata.values())


def read_bake(metadata: Mapping[str, Any], subject: str) -> Iterator[Entry]:
    """Read the metadata of a bake. An image can be called by its target."""
    for target, built in metadata.items():
        if isinstance(built, Mapping) and is_build(built):
            for entry in read_build(built, f"Target {truncated_repr(target)} of {within(subject)}"):
                names = (str(target), *entry.names) if isinstance(entry, Image | UnusableEntry) else ()
                if isinstance(entry, Image):
                    yield Image(entry.digest, names)
                elif isinstance(entry, UnusableEntry):
                    yield UnusableEntry(entry.reason, names, entry.is_image)


def is_action(metadata: Mapping[str, Any]) -> bool:
    """Return whether it is what docker/build-push-action puts out."""
    return "imageid" in metadata and "digest" in metadata


def read_action(metadata: Mapping[str, Any], subject: str) -> Iterator[Entry]:
    """Read what docker/build-push-action puts out: ``imageid``, ``digest`` and, as an object or not, ``metadata``."""
    if isinstance(metadata.get("metadata"), Mapping) and is_build(metadata["metadata"]):
        yield from read_build(metadata["metadata"], subject)
    elif metadata["digest"] == metadata["imageid"]:
        yield UnusableEntry(f"{subject} has the same value as 'digest' and 'imageid': {_NOT_PUSHED}")
    else:
        yield read_digest(metadata, "digest", subject)
