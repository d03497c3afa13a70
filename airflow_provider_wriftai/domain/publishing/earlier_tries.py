"""Continue what an earlier try of the task left in the journal."""

from __future__ import annotations

import logging

from airflow_provider_wriftai.client.endpoints import get_version
from airflow_provider_wriftai.client.errors import NotFoundError, WriftAIError
from airflow_provider_wriftai.client.references import VersionReference
from airflow_provider_wriftai.client.version import VersionRecord
from airflow_provider_wriftai.domain.publishing.adopt import adopt
from airflow_provider_wriftai.domain.publishing.comparison import report_differences
from airflow_provider_wriftai.domain.publishing.errors import VersionDeletedError
from airflow_provider_wriftai.domain.publishing.journal import JournalEntry
from airflow_provider_wriftai.domain.publishing.outcome import PublishOutcome, PublishResult
from airflow_provider_wriftai.domain.publishing.publication import Publication
from airflow_provider_wriftai.domain.publishing.search import MOST_CHECKS, RECHECK_BACKOFF
from airflow_provider_wriftai.domain.sansio import Operations, Pause
from airflow_provider_wriftai.domain.services import is_same_service

log = logging.getLogger(__name__)


def recall(publication: Publication) -> JournalEntry | None:
    """Return what an earlier try of this task was about to create, or has created."""
    saved = publication.state.load() if publication.state else None
    if saved is None:
        publication.prior_attempt_unrecorded = publication.options.is_retry and publication.state is None
        return None
    try:
        entry = JournalEntry.from_json(saved)
    except ValueError as error:
        problem = f"The journal of an earlier try cannot be read: {error}."
        if publication.options.if_exists == "create":
            publication.raise_unresolved(problem, is_final=True)
        log.warning("%s", problem)
        publication.prior_attempt_unrecorded = True
        return None
    if not is_same_service(entry.service, publication.service):
        log.info("An earlier try of this task published to another service (%s). Starting over.", entry.service)
        return None
    if (entry.model, entry.digest) != (publication.model, publication.digest):
        log.info("An earlier try of this task published another image or model. Starting over.")
        return None
    return entry


def resume(publication: Publication, entry: JournalEntry) -> Operations[PublishResult | None]:
    """Return the version that an earlier try ended with, or created before it was interrupted; None if there is none.

    Raises:
        VersionDeletedError: The version that it ended with was deleted since.
        UnresolvedPublishError: What it did cannot be determined.
    """
    if entry.reference is not None:
        return (yield from _check_remembered(publication, entry.reference))
    # However old the entry is: its create request may have waited for the rate limit, and been sent just now.
    log.info(
        "An earlier try of this task was about to create a version. Searching for it for up to %.0f s.",
        publication.options.settle_seconds,
    )
    return (yield from adopt(publication, entry, "An earlier try of this task was about to create one, and ended."))


def _check_remembered(publication: Publication, named: VersionReference) -> Operations[PublishResult]:
    """Return the version that an earlier try ended with."""
    reference = str(named)
    for attempt in range(1, MOST_CHECKS + 1):
        try:
            version: VersionRecord = yield get_version(named)
        except NotFoundError:
            # A replica that lags, or a cache, may not know a new version yet.
            if attempt < MOST_CHECKS:
                yield Pause(RECHECK_BACKOFF.delay(attempt))
            continue
        except WriftAIError as error:
            publication.raise_unresolved(
                f"An earlier try of this task ended with {reference}, and fetching it failed: {error}", error
            )
        if version.digest in (None, publication.digest):
            log.info("An earlier try of this task published %s, which still exists.", reference)
            report_differences(version, publication.params, is_own=False)
            return PublishResult(version, PublishOutcome.REMEMBERED)
        break  # The model was deleted and created again: this is another version of the same name.
    raise VersionDeletedError(publication.digest, reference)
