"""The output of ``docker image inspect``, ``buildah images``, and ``skopeo inspect``.

A local copy of an image has uncompressed layers, so its digest is not the one that a registry gives the image.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from airflow_provider_wriftai.domain.images.descriptor import read_digest
from airflow_provider_wriftai.domain.images.errors import InvalidImageError
from airflow_provider_wriftai.domain.images.image import Entry, Image, UnusableEntry, names_of, parse_image

NOT_PUSHED = "the image was not pushed to, or pulled from, a registry. Push it first"
_BUILDAH_KEYS = frozenset({"id", "names", "digest"})
_LOCAL = "localhost/"
"""Where buildah and podman put an image that has no registry in its name."""


def is_docker(metadata: Mapping[str, Any]) -> bool:
    """Return whether it is what docker, or podman, prints about a local image."""
    return "Id" in metadata and ("RepoDigests" in metadata or "Digest" in metadata)


def read_docker(metadata: Mapping[str, Any], subject: str) -> Iterator[Entry]:
    """Read ``RepoDigests``. ``Id`` is the image id.

    Raises:
        InvalidImageError: It is podman's, whose digests are those of the local copy.
    """
    if "Digest" in metadata:
        raise InvalidImageError(
            f"{subject} is from podman image inspect, whose digests are those of the local copy and not the "
            "registry's. Pass the file of podman push --digestfile."
        )
    digests, tags = metadata.get("RepoDigests"), metadata.get("RepoTags")
    names = names_of(*tags) if isinstance(tags, list) else ()
    images = [parse_image(each) for each in digests if isinstance(each, str)] if isinstance(digests, list) else []
    found = [image for image in images if image is not None]
    if not found:
        yield UnusableEntry(f"{subject} has no digest in 'RepoDigests': {NOT_PUSHED}.", names)
    for image in found:
        tagged = tuple(name for name in names if image.names and name.startswith(f"{image.names[-1]}:"))
        yield Image(image.digest, (*image.names, *tagged))


def refuse_buildah(metadata: Mapping[str, Any], subject: str) -> None:
    """Refuse what ``buildah images --json`` prints.

    Raises:
        InvalidImageError: It is that.
    """
    if metadata.keys() >= _BUILDAH_KEYS:
        raise InvalidImageError(
            f"{subject} is from buildah images, whose digests are those of the local copy and not the registry's. Pass "
            "the file of buildah push --digestfile."
        )


def is_skopeo(metadata: Mapping[str, Any]) -> bool:
    """Return whether it is what ``skopeo inspect`` prints about an image."""
    return "Digest" in metadata and "Name" in metadata


def read_skopeo(metadata: Mapping[str, Any], subject: str) -> Iterator[Entry]:
    """Read ``Digest``. ``RepoTags`` are all of the repository's and say nothing about this image.

    Raises:
        InvalidImageError: It is about a local copy.
    """
    name = metadata["Name"]
    if isinstance(name, str) and name.startswith(_LOCAL):
        raise InvalidImageError(
            f"{subject} is from skopeo inspect of a local copy, whose digest is not the registry's. Pass what skopeo "
            "inspect docker://… prints, or the file of skopeo copy --digestfile."
        )
    entry = read_digest(metadata, "Digest", subject, names_of(name))
    if isinstance(entry, Image) and metadata.get("RepoTags") == []:
        # A repository in a registry has tags, unless skopeo was told not to list them.
        warning = (
            f"{subject} names no tags of the repository, so it may be about a local copy. Make sure that the registry "
            f"has {entry.digest}."
        )
        entry = Image(entry.digest, entry.names, (warning,))
    yield entry
