"""Delete versions, several at once, and make sure that they are gone."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace

from airflow_provider_wriftai.client import endpoints
from airflow_provider_wriftai.client.api import API
from airflow_provider_wriftai.client.backoff import Backoff
from airflow_provider_wriftai.client.errors import (
    AuthenticationError,
    ConnectionFailedError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitedError,
    RequestError,
    UnreadableResponseError,
    WriftAIError,
)
from airflow_provider_wriftai.client.references import ModelReference, VersionReference
from airflow_provider_wriftai.client.text import format_count
from airflow_provider_wriftai.domain.progress import Progress
from airflow_provider_wriftai.domain.retention.concurrency import run_concurrently
from airflow_provider_wriftai.domain.retention.listing import find_repeated, iterate_versions
from airflow_provider_wriftai.domain.retention.record import Outcome, PruneRecord, Status

log = logging.getLogger(__name__)

MOST_FAILURES_IN_A_ROW = 20
"""Failures of the service in a row after which no other delete is sent."""

MOST_REFUSALS_AT_FIRST = 3
"""Deletes that are refused (403) before any succeeds, after which no other is sent."""

_VERIFY_BACKOFF = Backoff(initial=2.0, maximum=8.0)
_VERIFY_ATTEMPTS = 4

_UNKNOWN = "The service did not confirm the delete, and whether the version is gone is unknown"
_NOT_FOUND = "The service answered 404 or 410, but still lists the version."
_UNCONFIRMED = "The service did not confirm the delete as its contract says, and still lists the version."


class Deleter:
    """Deletes versions, and gives up when further deletes would be pointless.

    The first deletes are sent one by one, so that a token without permission is noticed after a few. The others are
    sent several at once.

    Args:
        api: For asynchronous requests.
        record: Receives what becomes of each version.
        progress: Counts the versions that are done.

    Attributes:
        unverified: The versions of which the service did not confirm that they are gone, each with the outcome if it is
            still listed.
    """

    def __init__(self, api: API, record: PruneRecord, progress: Progress) -> None:
        self._api = api
        self._record = record
        self._progress = progress
        self._is_allowed = False
        self._refusals = 0
        self._failures_in_a_row = 0
        self._stopped_by: str | None = None
        self.unverified: dict[VersionReference, Outcome] = {}

    async def delete_all(self, references: Sequence[VersionReference]) -> None:
        """Delete versions, in order. What becomes of each is in the record."""
        remaining: Iterator[VersionReference] = iter(references)
        for reference in remaining:
            await self._delete(reference)
            if self._is_allowed:
                break
        await run_concurrently(self._delete, remaining)

    async def _delete(self, reference: VersionReference) -> None:
        if self._stopped_by is not None:
            self._record.add(reference, Outcome(Status.NOT_ATTEMPTED, f"Not attempted, because {self._stopped_by}."))
            return
        self._record.add(reference, Outcome(Status.SENT))
        try:
            confirmed = await self._api.async_request(endpoints.delete_version(reference))
        except NotFoundError:
            self._note_success()
            self.unverified[reference] = Outcome(Status.FAILED, _NOT_FOUND)
            self._record.add(reference, Outcome(Status.ALREADY_GONE))
        except WriftAIError as error:
            failure = Outcome(Status.FAILED, str(error), error.retryable)
            if _may_have_been_executed(error):
                self.unverified[reference] = failure
            else:
                self._record.add(reference, failure)
            self._note_failure(error)
        else:
            self._note_success()
            if confirmed:
                self._record.add(reference, Outcome(Status.DELETED))
            else:
                # Not on record as deleted before it is verified.
                self.unverified[reference] = Outcome(Status.FAILED, _UNCONFIRMED)
        if self._progress.step():
            self._record.flush()

    def _note_success(self) -> None:
        self._is_allowed = True
        self._failures_in_a_row = 0

    def _note_failure(self, error: WriftAIError) -> None:
        # By class, because this is not about repeating the request: the errors tell whether the token, the service, or
        # this version is to blame, and so whether further deletes can succeed.
        if isinstance(error, AuthenticationError):
            self._stop("the service refused the access token", refused=True)
        is_refusal = isinstance(error, PermissionDeniedError)
        self._refusals += is_refusal
        if is_refusal or _is_service_failure(error):
            self._failures_in_a_row += 1
        else:
            self._is_allowed = True
            self._failures_in_a_row = 0
        if not self._is_allowed and self._refusals >= MOST_REFUSALS_AT_FIRST:
            count = format_count(self._refusals, "refusal")
            self._stop(f"the access token may not delete versions ({count} in a row)", refused=True)
        elif self._failures_in_a_row >= MOST_FAILURES_IN_A_ROW:
            self._stop(f"{self._failures_in_a_row} deletes in a row failed", refused=is_refusal)

    def _stop(self, reason: str, *, refused: bool) -> None:
        if self._stopped_by is None:
            self._stopped_by = reason
            self._record.is_refused = refused
            log.error("Sending no further deletes, because %s.", reason)


def _may_have_been_executed(error: WriftAIError) -> bool:
    """Return whether a delete may have been executed although its response was lost, unreadable, or replaced."""
    return isinstance(error, UnreadableResponseError) or (isinstance(error, RequestError) and error.ambiguous)


def _is_service_failure(error: WriftAIError) -> bool:
    """Return whether a failure is one of the service or the network, rather than of one version."""
    return isinstance(error, ConnectionFailedError | RateLimitedError) or _may_have_been_executed(error)


async def _find_listed(
    api: API, model: ModelReference, wanted: Collection[VersionReference]
) -> tuple[set[VersionReference], str]:
    """Return which versions are still listed; and why that is unknown, or an empty text."""
    listed: set[VersionReference] = set()
    async for page in iterate_versions(api, model):
        if (repeated := find_repeated(page, listed)) is not None:
            return set(wanted), f"{_UNKNOWN}: the service listed {repeated} twice."
    return listed.intersection(wanted), ""


async def verify_deleted(
    api: API,
    model: ModelReference,
    record: PruneRecord,
    unverified: Mapping[VersionReference, Outcome],
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
) -> None:
    """Make sure that versions are gone whose delete the service did not confirm.

    A list may lag behind, so if a version is still listed, the list is read again after some seconds before the delete
    counts as failed.

    Args:
        api: For asynchronous requests.
        model: The model.
        record: The record to correct.
        unverified: The versions, each with the outcome if it is still listed.
        sleep: Waits a number of seconds.
    """
    if not unverified:
        return
    listed: Collection[VersionReference] = unverified
    failure = ""
    for attempt in range(1, _VERIFY_ATTEMPTS + 1):
        try:
            listed, failure = await _find_listed(api, model, unverified)
        except WriftAIError as error:
            failure = f"{_UNKNOWN}: {error}"
            if not error.retryable:
                break
        if not listed or attempt == _VERIFY_ATTEMPTS:
            break
        delay = _VERIFY_BACKOFF.delay(attempt)
        log.info(
            "%s of %s may still exist after being deleted. Listing the versions again in %.0f s.",
            format_count(len(listed), "version"), model, delay,
        )  # fmt: skip
        await sleep(delay)
    for reference, outcome in unverified.items():
        if reference in listed:
            record.add(reference, replace(outcome, error=failure) if failure else outcome)
        elif record.outcomes[reference].status is Status.SENT:
            record.add(reference, Outcome(Status.DELETED))
