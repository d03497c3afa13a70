"""What ``docker image inspect`` and ``skopeo inspect`` print."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from airflow_provider_wriftai.domain.images.descriptor import read_digest
from airflow_provider_wriftai.domain.images.errors import InvalidImageError
from airflow_provider_wriftai.domain.images.image import Entry, Image, Unusable, names_of, parse_image

NOT_PUSHED = "the image was not pushed to, or pulled from, a registry. Push it first"


def is_docker(metadata: Mapping[str, Any]) -> bool:
    """Return whether it is what docker, or podman, prints about a local image."""
    return "Id" in metadata and ("RepoDigests" in metadata or "Digest" in metadata)


def read_docker(metadata: Mapping[str, Any], what: str) -> Iterator[Entry]:
    """Read ``RepoDigests``. ``Id`` is the image id.

    Raises:
        InvalidImageError: It is podman's, whose digests are those of the local copy.
    """
    if "Digest" in metadata:
        raise InvalidImageError(
            f"{what} is from podman image inspect, whose digests are those of the local copy and not the registry's. "
            "Pass the file of podman push --digestfile."
        )
    digests, tags = metadata.get("RepoDigests"), metadata.get("RepoTags")
    names = names_of(*tags) if isinstance(tags, list) else ()
    images = [parse_image(each) for each in digests if isinstance(each, str)] if isinstance(digests, list) else []
    found = [image for image in images if image is not None]
    if not found:
        yield Unusable(f"{what} has no digest in 'RepoDigests': {NOT_PUSHED}.", names)
    for image in found:
        tagged = tuple(name for name in names if image.names and name.startswith(f"{image.names[-1]}:"))
        yield Image(image.digest, (*image.names, *tagged))


def is_skopeo(metadata: Mapping[str, Any]) -> bool:
    """Return whether it is what ``skopeo inspect`` prints about an image in a registry."""
    return "Digest" in metadata and "Name" in metadata


def read_skopeo(metadata: Mapping[str, Any], what: str) -> Iterator[Entry]:
    """Read ``Digest``. ``RepoTags`` are all of the repository's and say nothing about this image."""
    yield read_digest(metadata, "Digest", what, names_of(metadata.get("Name")))
