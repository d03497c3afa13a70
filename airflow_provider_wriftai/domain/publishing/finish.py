"""End a publish with the version that exists, or that was just created, and record it."""

from __future__ import annotations

import logging

from airflow_provider_wriftai.client.version import VersionRecord
from airflow_provider_wriftai.domain.publishing.comparison import report_differences
from airflow_provider_wriftai.domain.publishing.duplicates import delete_if_duplicate, warn_of_concurrent
from airflow_provider_wriftai.domain.publishing.errors import VersionExistsError
from airflow_provider_wriftai.domain.publishing.journal import JournalEntry
from airflow_provider_wriftai.domain.publishing.outcome import PublishOutcome, PublishResult
from airflow_provider_wriftai.domain.publishing.publication import Publication
from airflow_provider_wriftai.domain.sansio import Operations, Pause

log = logging.getLogger(__name__)


def reuse(publication: Publication, found: VersionRecord, entry: JournalEntry) -> Operations[PublishResult]:
    """End with a version of the image that exists; with an error if ``if_exists`` is ``"fail"``."""
    if publication.options.if_exists == "fail":
        raise VersionExistsError(
            publication.model, publication.digest, str(found.reference), is_retry=publication.options.is_retry
        )
    log.info("%s is already a version of image %s. Creating no other version.", found.reference, publication.digest)
    report_differences(found, publication.params, is_own=False)
    yield from record(publication, entry.resolve(found.reference))
    return PublishResult(found, PublishOutcome.REUSED)


def finish_created(publication: Publication, created: VersionRecord, entry: JournalEntry) -> Operations[PublishResult]:
    """End with the version that was just created, unless it is to be deleted as a duplicate of an older one."""
    log.info("Created %s.", created.reference)
    report_differences(created, publication.params, is_own=True)
    deletes_own = publication.options.if_exists != "create" and publication.options.on_duplicate == "delete_own"
    if deletes_own:
        older = yield from delete_if_duplicate(publication, created, entry)
        if older is not None:
            return (yield from reuse(publication, older, entry))
    yield from record(publication, entry.resolve(created.reference))
    if publication.options.if_exists != "create" and not deletes_own:
        yield from warn_of_concurrent(publication, created, entry.watermark)
    return PublishResult(created, PublishOutcome.CREATED)


def record(publication: Publication, entry: JournalEntry) -> Operations[None]:
    """Store the outcome. If that fails, the unresolved entry remains, and leads to the version too."""
    for attempt in (1, 2):
        try:
            publication.save(entry)
        except Exception as error:  # noqa: BLE001 - the version exists, and the task has its result
            if attempt == 2:
                log.warning("Cannot store that this task published %s. %s", entry.reference, error)
                break
            yield Pause(1.0)
        else:
            break
