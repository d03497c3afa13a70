"""The metadata of skaffold and Cloud Native Buildpacks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from airflow_provider_wriftai.client.text import truncated_repr
from airflow_provider_wriftai.domain.images.descriptor import read_digest
from airflow_provider_wriftai.domain.images.errors import InvalidImageError
from airflow_provider_wriftai.domain.images.image import Entry, Image, UnusableEntry, names_of, parse_image


def is_skaffold(metadata: Mapping[str, Any]) -> bool:
    """Return whether it is what ``skaffold build --file-output`` writes."""
    return isinstance(metadata.get("builds"), list)


def read_skaffold(metadata: Mapping[str, Any], subject: str) -> Iterator[Entry]:
    """Read the images, which can be called by the names that skaffold.yaml has for them."""
    for build in metadata["builds"]:
        tag = build.get("tag") if isinstance(build, Mapping) else None
        if not isinstance(tag, str):
            raise InvalidImageError(f"{subject} has an entry in 'builds' that is not a build.")
        image, named = parse_image(tag), names_of(build.get("imageName"))
        if image is None:
            reason = f"{subject} has image {truncated_repr(tag)} without a digest: skaffold did not push it (--push)."
            yield UnusableEntry(reason, (*named, *names_of(tag)))
        else:
            yield Image(image.digest, tuple(dict.fromkeys((*named, *image.names))))


def is_buildpacks(metadata: Mapping[str, Any]) -> bool:
    """Return whether it is the ``report.toml`` of the lifecycle of Cloud Native Buildpacks."""
    image = metadata.get("image")
    return isinstance(image, Mapping) and any(key in image for key in ("digest", "image-id", "tags"))


def read_buildpacks(metadata: Mapping[str, Any], subject: str) -> Iterator[Entry]:
    """Read the image. One that went to a daemon has an ``image-id`` instead of a digest."""
    image = metadata["image"]
    tags = image.get("tags")
    names = names_of(*tags) if isinstance(tags, list) else ()
    if "digest" not in image:
        yield UnusableEntry(
            f"{subject} has an image id and no digest: the image went to a daemon. Publish it (--publish).", names
        )
    else:
        yield read_digest(image, "digest", subject, names)
