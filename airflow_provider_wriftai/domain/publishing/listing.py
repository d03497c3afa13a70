"""Read the versions of a model in which a publish searches for an image."""

from __future__ import annotations

from airflow_provider_wriftai.client.endpoints import list_versions
from airflow_provider_wriftai.client.pagination import (
    LARGEST_PAGE,
    SMALLEST_PAGE,
    PageCursor,
    PaginatedResponse,
    PaginationOptions,
)
from airflow_provider_wriftai.client.references import ModelReference
from airflow_provider_wriftai.client.version import VersionRecord
from airflow_provider_wriftai.domain.sansio import Operations
from airflow_provider_wriftai.domain.watermark import Age, Watermark


def list_newest(model: ModelReference, count: int) -> Operations[PaginatedResponse[VersionRecord]]:
    """Fetch the first page of a model's versions.

    Args:
        model: The model.
        count: How many versions are needed: 1 to 50. The page may have more.
    """
    size = min(max(count, SMALLEST_PAGE), LARGEST_PAGE)
    page: PaginatedResponse[VersionRecord] = yield list_versions(model, PaginationOptions(page_size=size))
    return page


def list_newer(model: ModelReference, watermark: Watermark) -> Operations[list[VersionRecord]]:
    """Fetch the versions of a model that are, or may be, newer than a watermark, newest first.

    Raises:
        PaginationError: The listing does not end.
    """
    found: list[VersionRecord] = []
    cursor = PageCursor()
    while True:
        page: PaginatedResponse[VersionRecord] = yield list_versions(model, cursor.options)
        newer = [version for version in page.items if watermark.compare(version) is not Age.NOT_NEWER]
        found.extend(newer)
        if (page.items and not newer) or not cursor.advance(page):
            return found
