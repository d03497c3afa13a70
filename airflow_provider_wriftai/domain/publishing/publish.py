"""Create exactly one version for an image.

The service has no idempotency key: a create request that is sent twice makes two versions, and one without a response
may have been executed, or may still be. A publish therefore

1. reads the journal, where the task keeps one over its tries: an earlier try may have created the version already;
2. searches the newest versions for the image, as ``if_exists`` says;
3. stores in the journal what it is about to create, and the newest version that exists (the watermark). A try that
   Airflow has replaced cannot store anything any more, and ends here. If the journal or the search took long, it
   searches and stores again, so that nothing is created on old knowledge;
4. sends the create request;
5. reconciles, if the response is not clear: it searches the versions above the watermark until ``settle_seconds`` have
   passed, adopts what it finds, and sends the request again only when the version provably does not exist.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from airflow_provider_wriftai.client.errors import RequestError
from airflow_provider_wriftai.client.references import ModelReference
from airflow_provider_wriftai.client.versions import CreateVersionParams
from airflow_provider_wriftai.domain.publishing.create import create
from airflow_provider_wriftai.domain.publishing.earlier_tries import recall, resume
from airflow_provider_wriftai.domain.publishing.finish import reuse
from airflow_provider_wriftai.domain.publishing.journal import JournalEntry, StateStore
from airflow_provider_wriftai.domain.publishing.options import IfExists, OnDuplicate, PublishOptions
from airflow_provider_wriftai.domain.publishing.outcome import PublishResult
from airflow_provider_wriftai.domain.publishing.publication import Publication
from airflow_provider_wriftai.domain.publishing.search import search_newest
from airflow_provider_wriftai.domain.sansio import Operations
from airflow_provider_wriftai.domain.watermark import Watermark

__all__ = ["IfExists", "OnDuplicate", "PublishOptions", "publish"]


def publish(
    model: ModelReference,
    params: CreateVersionParams,
    options: PublishOptions | None = None,
    *,
    service: str,
    state: StateStore | None = None,
    is_stopped: Callable[[], bool] = lambda: False,
    clock: Callable[[], float] = time.monotonic,
) -> Operations[PublishResult]:
    """Make sure that an image has a version, and that this task creates at most one.

    Args:
        model: The model to publish to.
        params: The checked parameters of the version: see ``preflight``.
        options: How to publish.
        service: The base URL of the service. What the task keeps of another service does not count.
        state: What the task keeps over all its tries; None if it can keep nothing.
        is_stopped: Returns whether the task was stopped. Checked right before each create request.
        clock: Returns the time in seconds.

    Returns:
        The version, and how it came about.

    Raises:
        VersionExistsError: The image has a version, and ``if_exists`` is ``"fail"``.
        VersionDeletedError: An earlier try published the version, and it was deleted since.
        UnresolvedPublishError: It is unknown whether a version was created.
        TaskStoppedError: The task was stopped before the create request.
        WriftAIError: What the client raises. Nothing was created then.
    """
    publication = Publication(service, model, params, options or PublishOptions(), state, is_stopped, clock)
    return _publish(publication)


def _publish(publication: Publication) -> Operations[PublishResult]:
    try:
        return (yield from _run(publication))
    except RequestError as error:
        if error.retryable or not publication.prior_attempt_unrecorded:
            raise
        problem = f"An earlier try of this task may have created one, and this one failed: {error}"
        publication.raise_unresolved(problem, error)


def _run(publication: Publication) -> Operations[PublishResult]:
    earlier = recall(publication)
    if earlier is not None:
        result = yield from resume(publication, earlier)
        if result is not None:
            return result
    page, found = yield from search_newest(publication)
    entry = JournalEntry(
        service=publication.service,
        model=publication.model,
        digest=publication.digest,
        release_notes=publication.release_notes,
        # What an unresolved create request of an earlier try made must be found by later tries too.
        watermark=earlier.watermark if earlier else Watermark.of_page(page),
    )
    if found is not None:
        return (yield from reuse(publication, found, entry))
    return (yield from create(publication, entry))
