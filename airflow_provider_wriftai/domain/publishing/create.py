"""Send the create request, and reconcile its outcome."""

from __future__ import annotations

import logging

from airflow_provider_wriftai.client.endpoints import create_version
from airflow_provider_wriftai.client.errors import RequestError
from airflow_provider_wriftai.client.version import VersionRecord
from airflow_provider_wriftai.domain.errors import TaskStoppedError
from airflow_provider_wriftai.domain.publishing.adopt import adopt
from airflow_provider_wriftai.domain.publishing.errors import VersionExistsError
from airflow_provider_wriftai.domain.publishing.finish import finish_created, reuse
from airflow_provider_wriftai.domain.publishing.journal import JournalEntry
from airflow_provider_wriftai.domain.publishing.outcome import PublishResult
from airflow_provider_wriftai.domain.publishing.publication import Publication
from airflow_provider_wriftai.domain.publishing.reconcile import CONFIRMATION_SECONDS
from airflow_provider_wriftai.domain.publishing.search import search_newer
from airflow_provider_wriftai.domain.sansio import Operations, Pause

log = logging.getLogger(__name__)

_MOST_CREATES = 3
_FRESH_SECONDS = 10.0
_MOST_CHECKS = 5


def create(publication: Publication, entry: JournalEntry) -> Operations[PublishResult]:
    """Create the version, and again if it provably was not created.

    Raises:
        VersionExistsError: Another task published the image meanwhile, and ``if_exists`` is ``"fail"``.
        UnresolvedPublishError: It is unknown whether the version was created.
        TaskStoppedError: The task was stopped before the create request.
    """
    for sent in range(1, _MOST_CREATES + 1):
        found = yield from _confirm_and_store(publication, entry)
        if found is not None:
            return (yield from reuse(publication, found, entry))
        if publication.is_stopped():
            raise TaskStoppedError.while_publishing(publication.model)
        try:
            created: VersionRecord = yield create_version(publication.model, {**publication.params})
        except RequestError as error:
            if not error.ambiguous:
                raise
            unclear = error
        else:
            return (yield from finish_created(publication, created, entry))
        log.warning(
            "The create request had no clear outcome: %s Searching for its version for up to %.0f s.",
            unclear,
            publication.options.settle_seconds,
        )
        adopted = yield from adopt(publication, entry, str(unclear))
        if adopted is not None:
            return adopted
        if publication.options.if_exists == "fail":
            existing = yield from search_newer(publication, entry.watermark)
            if existing is not None:
                raise VersionExistsError(publication.model, publication.digest, str(existing.reference), is_retry=True)
        if sent < _MOST_CREATES:
            log.info("The version does not exist. Creating it again (%d of %d).", sent + 1, _MOST_CREATES)
    publication.raise_unresolved(
        f"{unclear} That was the last of {_MOST_CREATES} create requests without a clear outcome, and no version "
        f"appeared within {publication.options.settle_seconds:.0f} s of each.",
        unclear,
    )


def _confirm_and_store(publication: Publication, entry: JournalEntry) -> Operations[VersionRecord | None]:
    """Store what is about to be created, on knowledge that is fresh when this returns.

    A try that was held up for long may have been replaced by another one, or overtaken by another task.

    Returns:
        A version of the image that was created meanwhile, if it must not get another one.
    """
    for _ in range(_MOST_CHECKS):
        began = publication.clock()
        if publication.options.if_exists != "create" and began - publication.searched_at > _FRESH_SECONDS:
            found = yield from search_newer(publication, entry.watermark)
            if found is None and publication.state is None:
                # One response may be stale, and this try may be a zombie whose successor has finished. With a journal,
                # a zombie cannot store what follows.
                yield Pause(CONFIRMATION_SECONDS)
                found = yield from search_newer(publication, entry.watermark)
            if found is not None:
                return found
            began = publication.clock()
        publication.save(entry)
        oldest = began if publication.options.if_exists == "create" else min(began, publication.searched_at)
        if publication.clock() - oldest <= _FRESH_SECONDS:
            break
    return None
