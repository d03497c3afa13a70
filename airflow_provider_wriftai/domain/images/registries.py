"""The metadata of cloud registries: runs of Azure's ACR Tasks, images of Amazon's ECR."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from airflow_provider_wriftai.client.text import truncated_repr
from airflow_provider_wriftai.domain.images.descriptor import INDEX_TYPES, MANIFEST_TYPES, read_digest
from airflow_provider_wriftai.domain.images.errors import InvalidImageError
from airflow_provider_wriftai.domain.images.image import Entry, UnusableEntry, tagged_names, within

_ACR_KEYS = ("outputImages", "output_images")
_ACR_UNFINISHED = ("Queued", "Started", "Running")


def is_acr(metadata: Mapping[str, Any]) -> bool:
    """Return whether it is a run of ``az acr build`` or ``az acr run``, or that of the SDK."""
    run = _run_properties(metadata)
    return any(key in run for key in _ACR_KEYS) or ("status" in run and ("runId" in run or "run_id" in run))


def read_acr(metadata: Mapping[str, Any], subject: str) -> Iterator[Entry]:
    """Read the images that a run pushed.

    Raises:
        InvalidImageError: The run has not succeeded.
    """
    run = _run_properties(metadata)
    status = run.get("status")
    if status in _ACR_UNFINISHED:
        raise InvalidImageError(
            f"{subject} is an Azure run that is not finished (status {status}). Wait for it (without --no-wait)."
        )
    if status not in (None, "Succeeded"):
        raise InvalidImageError(f"{subject} is an Azure run that did not succeed (status {truncated_repr(status)}).")
    for image in _mappings(next((run[key] for key in _ACR_KEYS if run.get(key)), None), "output images", subject):
        repository, registry = image.get("repository"), image.get("registry")
        names = tagged_names(repository, [image.get("tag")])
        if isinstance(registry, str) and isinstance(repository, str):
            names = (*tagged_names(f"{registry}/{repository}", [image.get("tag")]), *names)
        yield read_digest(image, "digest", f"An image of {within(subject)}", tuple(dict.fromkeys(names)))


def is_ecr(metadata: Mapping[str, Any]) -> bool:
    """Return whether it is what ECR's describe-images, put-image, list-images or batch-get-image returns."""
    image = metadata.get("image")
    return (
        "imageDetails" in metadata
        or "imageIds" in metadata
        or (isinstance(image, Mapping) and "imageId" in image)
        or any(
            isinstance(each, Mapping) and isinstance(each.get("imageId"), Mapping) for each in _batch_images(metadata)
        )
    )


def read_ecr(metadata: Mapping[str, Any], subject: str) -> Iterator[Entry]:
    """Read the images. Here ``imageDigest`` is the digest of the manifest."""
    images = [metadata["image"]] if isinstance(metadata.get("image"), Mapping) else []
    for key in ("imageDetails", "imageIds"):
        images += _mappings(metadata.get(key), key, subject)
    images += _batch_images(metadata)
    for image in images:
        identity = image["imageId"] if isinstance(image.get("imageId"), Mapping) else image
        tags = image.get("imageTags") if isinstance(image.get("imageTags"), list) else [identity.get("imageTag")]
        names, media_type = tagged_names(image.get("repositoryName"), tags), image.get("imageManifestMediaType")
        if media_type is not None and media_type not in (*MANIFEST_TYPES, *INDEX_TYPES):
            reason = f"{subject} describes a {truncated_repr(media_type)}, which is not an image."
            yield UnusableEntry(reason, names, is_image=False)
        else:
            yield read_digest(identity, "imageDigest", f"An image of {within(subject)}", names)


def _run_properties(metadata: Mapping[str, Any]) -> Mapping[str, Any]:
    properties = metadata.get("properties")
    return properties if isinstance(properties, Mapping) else metadata


def _batch_images(metadata: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    images = metadata.get("images")
    return [each for each in images if isinstance(each, Mapping)] if isinstance(images, list) else []


def _mappings(value: object, label: str, subject: str) -> list[Mapping[str, Any]]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(each, Mapping) for each in value):
        raise InvalidImageError(f"{subject} has no list of {label}.")
    return value
