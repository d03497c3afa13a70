"""Read all versions of a model, and the time at which their ages are measured."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from airflow_provider_wriftai.client import endpoints
from airflow_provider_wriftai.client.api import API
from airflow_provider_wriftai.client.errors import NotFoundError
from airflow_provider_wriftai.client.pagination import PaginatedResponse, aiterate_pages
from airflow_provider_wriftai.client.references import ModelReference, VersionReference
from airflow_provider_wriftai.client.text import format_count
from airflow_provider_wriftai.client.version import VersionRecord
from airflow_provider_wriftai.domain.progress import Progress
from airflow_provider_wriftai.domain.retention.concurrency import run_concurrently
from airflow_provider_wriftai.domain.retention.errors import UnplannableError, listed_twice
from airflow_provider_wriftai.domain.retention.policy import RetentionPolicy, creation_time, plan
from airflow_provider_wriftai.domain.times import to_utc

log = logging.getLogger(__name__)

FURTHEST_AHEAD = timedelta(minutes=5)
"""How far a time of creation may be ahead of the service's clock: another machine of the service makes it."""

FURTHEST_APART = timedelta(days=1)
"""How far the service's clock and our own may be apart."""

MOST_EXTRA_DETAILS = 100
"""Versions whose details are fetched only to find out whether a protected image has a version at all."""


@dataclass(frozen=True, slots=True)
class Listing:
    """All versions of a model, and the time at which their ages are measured.

    Attributes:
        versions: The versions, without their JSON.
        now: The earlier of the service's clock and our own, so that neither can make versions look older.
    """

    versions: Sequence[VersionRecord]
    now: datetime


def iterate_versions(api: API, model: ModelReference) -> AsyncIterator[PaginatedResponse[VersionRecord]]:
    """Fetch all pages of a model's versions."""
    return aiterate_pages(lambda options: api.async_request(endpoints.list_versions(model, options)))


def find_repeated(page: PaginatedResponse[VersionRecord], listed: set[VersionReference]) -> VersionReference | None:
    """Return a version that a list names twice; None if there is none.

    A list without an end repeats itself, so this ends it long before the limit of pages does.

    Args:
        page: The next page.
        listed: The versions on the pages before it. Those of the page are added.
    """
    for version in page.items:
        if version.reference in listed:
            return version.reference
        listed.add(version.reference)
    return None


async def read_listing(
    api: API, model: ModelReference, own_clock: Callable[[], datetime], clock: Callable[[], float]
) -> Listing:
    """Read all versions of a model.

    Raises:
        UnplannableError: The service's clock is unknown or cannot be right, a version is listed twice, or a time of
            creation is missing or in the future.
        WriftAIError: The list could not be read.
    """
    versions: list[VersionRecord] = []
    listed: set[VersionReference] = set()
    progress = Progress(None, f"Read versions of {model}", clock)
    own = own_clock()
    service: datetime | None = None
    async for page in iterate_versions(api, model):
        # The first page's Date, not the last: versions published while we read the rest must look younger, never older.
        service = service or page.served_at
        if (repeated := find_repeated(page, listed)) is not None:
            raise listed_twice(repeated)
        for version in page.items:
            creation_time(version)
            versions.append(version.without_body())
            progress.step()
    if service is None:
        raise UnplannableError(
            f"The service returned the versions of {model} without a readable Date header, so their ages are unknown. "
            "Nothing was deleted."
        )
    _check_clocks(service, own, versions)
    return Listing(versions, min(service, own))


def _check_clocks(service: datetime, own: datetime, versions: Iterable[VersionRecord]) -> None:
    if abs(service - own) > FURTHEST_APART:
        raise UnplannableError(
            f"The service's clock says {_format_time(service)}, and the clock of this machine {_format_time(own)}, "
            "so one of them is wrong. Ages cannot be relied on, so nothing was deleted. Correct the clock of this "
            "machine, or of the proxy that sets the Date header."
        )
    for version in versions:
        if creation_time(version) - service > FURTHEST_AHEAD:
            raise UnplannableError(
                f"{version.reference} was created at {_format_time(creation_time(version))}, which is in the future: "
                f"the service's clock says {_format_time(service)}. Ages cannot be relied on, so nothing was deleted."
            )


def _format_time(time: datetime) -> str:
    return to_utc(time).isoformat(timespec="seconds")


async def add_images(api: API, listing: Listing, policy: RetentionPolicy, clock: Callable[[], float]) -> Listing:
    """Fetch the images that the list leaves out, where the plan depends on them.

    If a protected image has no version among those, the newest other versions are checked, too.
    """
    needing = {decision.version.reference for decision in plan(listing.versions, policy, listing.now).needing_images}
    if needing:
        log.info(
            "Fetching the images of %s to delete, because some images are protected.",
            format_count(len(needing), "version"),
        )
        listing = await _with_details(api, listing, needing, clock)
    if policy.protection.unmatched_digests(listing.versions):
        unknown = [each for each in listing.versions if each.digest is None and each.reference not in needing]
        newest = sorted(unknown, key=creation_time, reverse=True)[:MOST_EXTRA_DETAILS]
        if newest:
            listing = await _with_details(api, listing, {version.reference for version in newest}, clock)
    return listing


async def _with_details(
    api: API, listing: Listing, references: set[VersionReference], clock: Callable[[], float]
) -> Listing:
    progress = Progress(len(references), "Fetched images", clock)
    details: dict[VersionReference, VersionRecord] = {}

    async def fetch(reference: VersionReference) -> None:
        with contextlib.suppress(NotFoundError):  # deleted meanwhile
            details[reference] = (await api.async_request(endpoints.get_version(reference))).without_body()
        progress.step()

    await run_concurrently(fetch, [each.reference for each in listing.versions if each.reference in references])
    versions = [each.merge(details[each.reference]) if each.reference in details else each for each in listing.versions]
    return Listing(versions, listing.now)
