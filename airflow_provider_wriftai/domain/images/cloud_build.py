"""Builds of Google Cloud Build, as its API and Airflow's operator describe them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from airflow_provider_wriftai.client.text import truncated_repr
from airflow_provider_wriftai.domain.images.descriptor import read_digest
from airflow_provider_wriftai.domain.images.errors import InvalidImageError
from airflow_provider_wriftai.domain.images.image import Entry, UnusableEntry, names_of, within

_STATUSES = {
    0: "STATUS_UNKNOWN",
    1: "QUEUED",
    2: "WORKING",
    3: "SUCCESS",
    4: "FAILURE",
    5: "INTERNAL_ERROR",
    6: "TIMEOUT",
    7: "CANCELLED",
    9: "EXPIRED",
    10: "PENDING",
}
_UNFINISHED = ("STATUS_UNKNOWN", "PENDING", "QUEUED", "WORKING")
_BUILD_KEYS = ("results", "steps", "images", "projectId", "project_id")


def is_cloud_build(metadata: Mapping[str, Any]) -> bool:
    """Return whether it is a build, its results, or the operation that runs it."""
    return (
        (isinstance(metadata.get("results"), Mapping) and "images" in metadata["results"])
        or isinstance(metadata.get("images"), list)
        or ("status" in metadata and any(key in metadata for key in _BUILD_KEYS))
        or _build_in_operation(metadata) is not None
    )


def read_cloud_build(metadata: Mapping[str, Any], subject: str) -> Iterator[Entry]:
    """Read the images that a build pushed. ``build_step_images`` are other images, those of its steps.

    Raises:
        InvalidImageError: The build has not succeeded, or its list of images has other entries.
    """
    build = _build_in_operation(metadata) or metadata
    _check_status(build, subject)
    results = build.get("results")
    images = results.get("images") if isinstance(results, Mapping) else build.get("images")
    for image in images or () if isinstance(images, list) or images is None else (images,):
        if isinstance(image, str):
            yield UnusableEntry(
                f"{subject} lists image {truncated_repr(image)} without a digest: it is a request or an unfinished "
                "build.",
                names_of(image),
            )
        elif not isinstance(image, Mapping):
            raise InvalidImageError(f"{subject} has an entry in 'images' that is not an image.")
        else:
            yield read_digest(image, "digest", f"An image of {within(subject)}", names_of(image.get("name")))


def _build_in_operation(metadata: Mapping[str, Any]) -> Mapping[str, Any] | None:
    inner = metadata.get("metadata")
    build = inner.get("build") if isinstance(inner, Mapping) else None
    return build if isinstance(build, Mapping) else None


def _check_status(build: Mapping[str, Any], subject: str) -> None:
    status = build.get("status")
    if isinstance(status, int) and not isinstance(status, bool):
        status = _STATUSES.get(status, str(status))
    if status is None or status == "SUCCESS":
        return
    if status in _UNFINISHED:
        raise InvalidImageError(
            f"{subject} is a Cloud Build build that is not finished (status {status}). Let the task wait for it "
            "(CloudBuildCreateBuildOperator with wait=True, its default), or wait for it in between."
        )
    raise InvalidImageError(
        f"{subject} is a Cloud Build build that did not succeed (status {truncated_repr(status)}); do not publish what "
        "it pushed."
    )
