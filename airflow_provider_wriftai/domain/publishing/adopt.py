"""Adopt the version that a create request without a clear response made."""

from __future__ import annotations

import logging

from airflow_provider_wriftai.client.errors import WriftAIError
from airflow_provider_wriftai.client.version import VersionRecord
from airflow_provider_wriftai.domain.publishing.comparison import has_release_notes, report_differences
from airflow_provider_wriftai.domain.publishing.errors import UnresolvedPublishError
from airflow_provider_wriftai.domain.publishing.finish import record
from airflow_provider_wriftai.domain.publishing.journal import JournalEntry
from airflow_provider_wriftai.domain.publishing.listing import list_newer
from airflow_provider_wriftai.domain.publishing.outcome import PublishOutcome, PublishResult
from airflow_provider_wriftai.domain.publishing.publication import Publication
from airflow_provider_wriftai.domain.publishing.reconcile import reconcile
from airflow_provider_wriftai.domain.publishing.search import search_among
from airflow_provider_wriftai.domain.sansio import Operations
from airflow_provider_wriftai.domain.watermark import Age

log = logging.getLogger(__name__)


def adopt(publication: Publication, entry: JournalEntry, why: str) -> Operations[PublishResult | None]:
    """Search for what a create request made, until it exists or cannot appear any more."""
    try:
        found = yield from reconcile(
            lambda: _search_made(publication, entry), publication.options.settle_seconds, clock=publication.clock
        )
    except UnresolvedPublishError:
        raise
    except WriftAIError as error:
        publication.raise_unresolved(f"{why} Searching for it failed: {error}", error)
    if found is None:
        return None
    if found.release_notes is not None and not has_release_notes(found, entry.release_notes):
        # Only mode "reuse" accepts the version of another task.
        log.info("Another task created %s, a version of the same image.", found.reference)
        report_differences(found, publication.params, is_own=False)
        yield from record(publication, entry.resolve(found.reference))
        return PublishResult(found, PublishOutcome.REUSED)
    decided_by = "its image" if found.digest else "its release notes; the service does not report its image"
    log.info("The create request was executed: it created %s (recognized by %s).", found.reference, decided_by)
    report_differences(found, publication.params, is_own=False)
    yield from record(publication, entry.resolve(found.reference))
    return PublishResult(found, PublishOutcome.ADOPTED)


def _search_made(publication: Publication, entry: JournalEntry) -> Operations[VersionRecord | None]:
    """Search once for a version that a create request may have made."""
    publication.searched_at = publication.clock()
    newer = yield from list_newer(publication.model, entry.watermark)
    own = [version for version in newer if has_release_notes(version, entry.release_notes)]
    if publication.options.if_exists == "reuse" and publication.options.on_duplicate == "delete_own":
        own = newer
    result = yield from search_among(publication, own)
    # A newer version with the same release notes whose image is not reported counts as ours.
    unknown = [version for version in result.unknown if has_release_notes(version, entry.release_notes)]
    found = result.first or next(iter(unknown), None)
    if found is not None:
        is_any_good = publication.options.if_exists == "reuse" and result.first is not None
        if entry.watermark.compare(found) is Age.UNKNOWN and not is_any_good:
            publication.raise_unresolved(
                f"{found.reference} may be that version or an older one: its creation time does not distinguish them."
            )
        return found
    if result.missing:
        publication.raise_unresolved(
            f"{result.missing[0].reference} may be that version: it is listed, but its details cannot be fetched yet."
        )
    if publication.options.if_exists != "reuse":
        return None
    # Somebody else's version of the image has other release notes. Reuse accepts it, whoever created it.
    return (yield from search_among(publication, [version for version in newer if version not in own])).first
