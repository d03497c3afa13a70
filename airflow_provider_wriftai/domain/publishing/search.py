"""Looking at a model's newest versions for one of an image."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from airflow_provider_wriftai.client.common_types import Version
from airflow_provider_wriftai.client.errors import NotFoundError
from airflow_provider_wriftai.client.pagination import LARGEST_PAGE, SMALLEST_PAGE, PaginatedResponse, PaginationOptions
from airflow_provider_wriftai.client.references import ModelReference
from airflow_provider_wriftai.client.summary import VersionSummary
from airflow_provider_wriftai.client.versions import Versions
from airflow_provider_wriftai.domain.watermark import Watermark


@dataclass(frozen=True, slots=True)
class ImageSearch:
    """What a look has found.

    Attributes:
        found: The newest version of the image, with its details; None where none is known to be.
        unknown_digest: The versions whose digest the service does not report, newest first.
    """

    found: Version | None = None
    unknown_digest: list[Version] = field(default_factory=list)


def newest_page(versions: Versions, model: ModelReference, count: int) -> PaginatedResponse[Version]:
    """Fetch the first page of a model's versions.

    Args:
        versions: The client.
        model: The model.
        count: How many versions are wanted: 1 to 50. The page may have more.
    """
    options = PaginationOptions(page_size=min(max(count, SMALLEST_PAGE), LARGEST_PAGE))
    return versions.list(model.owner, model.name, options)


def newer_than(versions: Versions, model: ModelReference, watermark: Watermark) -> list[Version]:
    """Fetch all versions of a model that were, or may have been, made after a watermark, newest first."""
    found: list[Version] = []
    for page in versions.every_page(model.owner, model.name):
        newer = [version for version in page.items if watermark.is_below(VersionSummary.of(version)) is not False]
        found.extend(newer)
        if page.items and not newer:
            break
    return found


def look_for_image(versions: Versions, candidates: Iterable[Version], digest: str, likely_notes: str) -> ImageSearch:
    """Look for the newest version of an image among some.

    Lists of generation 2 leave the digest out: then the details of each candidate are fetched, of those with the
    likely notes first. Some deployments leave it out of the details too.

    Args:
        versions: The client.
        candidates: The versions to look at, newest first.
        digest: The digest of the image.
        likely_notes: The release notes that the version has, most likely.
    """
    unknown_digest: list[Version] = []
    for item in sorted(candidates, key=lambda version: version.get("release_notes") != likely_notes):
        told = item.get("container_image_digest")
        if isinstance(told, str) and told != digest:
            continue
        version = item
        if not isinstance(told, str) or "schemas" not in item:
            try:
                version = versions.get(item["reference"])
            except NotFoundError:
                continue
            told = told or version.get("container_image_digest")
        if told == digest:
            return ImageSearch(version, unknown_digest)
        if not isinstance(told, str):
            unknown_digest.append(version)
    return ImageSearch(None, unknown_digest)
