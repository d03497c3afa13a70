"""Search the versions of a model for the image that is to be published."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from airflow_provider_wriftai.client.backoff import Backoff
from airflow_provider_wriftai.client.errors import WriftAIError
from airflow_provider_wriftai.client.pagination import PaginatedResponse
from airflow_provider_wriftai.client.text import format_count
from airflow_provider_wriftai.client.version import VersionRecord
from airflow_provider_wriftai.domain.publishing.comparison import age_order, has_release_notes
from airflow_provider_wriftai.domain.publishing.duplicates import warn_of_duplicates
from airflow_provider_wriftai.domain.publishing.errors import UnresolvedPublishError
from airflow_provider_wriftai.domain.publishing.listing import list_newer, list_newest
from airflow_provider_wriftai.domain.publishing.publication import Publication
from airflow_provider_wriftai.domain.publishing.reconcile import reconcile
from airflow_provider_wriftai.domain.sansio import Operations, Pause
from airflow_provider_wriftai.domain.search import Match, SearchResult, match_digest, search_versions
from airflow_provider_wriftai.domain.watermark import Watermark

log = logging.getLogger(__name__)

RECHECK_BACKOFF = Backoff(initial=2.0, factor=4.0)
"""How long to wait before checking again what one response denies: it may come from a stale cache or replica."""

MOST_CHECKS = 3
"""How often it is checked."""


def search_newest(
    publication: Publication,
) -> Operations[tuple[PaginatedResponse[VersionRecord], VersionRecord | None]]:
    """Search the newest versions for the image, as ``if_exists`` says.

    Returns:
        The newest versions, and the one of the image, if it is among them.
    """
    if publication.options.if_exists == "create":
        return (yield from _list_newest(publication)), None
    if not publication.prior_attempt_unrecorded:
        return (yield from _search_once(publication))
    pages: list[PaginatedResponse[VersionRecord]] = []

    def search() -> Operations[VersionRecord | None]:
        page, found = yield from _search_once(publication, must_be_certain=True)
        pages.append(page)
        return found

    log.info("An earlier try of this task may have sent a create request. Searching for its version.")
    try:
        found = yield from reconcile(search, publication.options.settle_seconds, clock=publication.clock)
    except UnresolvedPublishError:
        raise
    except WriftAIError as error:
        publication.raise_unresolved(
            f"An earlier try of this task may have created one. Searching for it failed: {error}", error
        )
    return pages[-1], found


def search_newer(publication: Publication, watermark: Watermark) -> Operations[VersionRecord | None]:
    """Search the versions above a watermark for the image."""
    publication.searched_at = publication.clock()
    newer = yield from list_newer(publication.model, watermark)
    result = yield from search_among(publication, newer)
    if result.first is None:
        _refuse_unknown(publication, result.unknown)
    return result.first


def search_among(publication: Publication, candidates: Sequence[VersionRecord]) -> Operations[SearchResult]:
    """Search for the image. The oldest version is preferred if duplicates are deleted, so that all tasks agree."""
    prefers_oldest = publication.options.on_duplicate == "delete_own"
    matches_digest = match_digest(publication.digest)

    def match(version: VersionRecord) -> Match:
        key = version.reference, version.created_at
        verdict = Match.NO if key in publication.others else matches_digest(version)
        if verdict is Match.NO:
            publication.others.add(key)
        return verdict

    # Versions with the same release notes are the likeliest match, so searching them first saves requests.
    ordered = sorted(candidates, key=lambda version: not has_release_notes(version, publication.release_notes))
    result = yield from search_versions(ordered, match, find_all=prefers_oldest)
    if prefers_oldest:
        result.found.sort(key=age_order)
    if result.first is not None:
        # If duplicates are deleted, all versions of the image were searched for, also by their details.
        warn_of_duplicates(publication, result.first, result.found if prefers_oldest else candidates)
    return result


def _search_once(
    publication: Publication, *, must_be_certain: bool = False
) -> Operations[tuple[PaginatedResponse[VersionRecord], VersionRecord | None]]:
    for attempt in range(1, MOST_CHECKS + 1):
        page = yield from _list_newest(publication)
        candidates = page.items[: publication.options.lookback]
        if attempt == 1:
            known = {version.reference for version in page.items}
        result = yield from search_among(publication, candidates)
        if result.first or not result.missing or attempt == MOST_CHECKS:
            break
        # The list has versions whose details do not exist: one of the two is stale.
        yield Pause(RECHECK_BACKOFF.delay(attempt))
    if result.first is None:
        if result.missing:
            listed = result.missing[0].reference
            publication.raise_unresolved(
                f"{listed} may be a version of this image: it is listed, but its details cannot be fetched."
            )
        suspects = [v for v in result.unknown if must_be_certain or v.reference not in known]
        _refuse_unknown(publication, suspects)
        if result.unknown:
            log.warning(
                "The service does not report the image of %s, so no version was reused.",
                ", ".join(str(version.reference) for version in result.unknown),
            )
        log.info(
            "Searched the newest %s of %s: no version of %s exists.",
            format_count(len(candidates), "version"),
            publication.model,
            publication.digest,
        )
    return page, result.first


def _list_newest(publication: Publication) -> Operations[PaginatedResponse[VersionRecord]]:
    publication.searched_at = publication.clock()
    return (yield from list_newest(publication.model, publication.options.lookback))


def _refuse_unknown(publication: Publication, suspects: Sequence[VersionRecord]) -> None:
    """Create nothing beside a version that may be this task's own, as far as can be determined."""
    same = [version for version in suspects if has_release_notes(version, publication.release_notes)]
    if same:
        publication.raise_unresolved(
            f"Another try of this task may have created {same[0].reference}. It has the same release notes, and "
            "the service does not report its image."
        )
