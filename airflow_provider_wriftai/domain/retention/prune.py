"""Prune a model: read all versions, decide, delete, verify, report.

Unlike the other activities, this is not a generator of operations (see ``sansio``): thousands of deletes are under way
and recorded one by one, and a task that is stopped must not lose the outcome of any of them.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from airflow_provider_wriftai.client.api import API
from airflow_provider_wriftai.client.references import ModelReference
from airflow_provider_wriftai.client.text import format_count, join_limited
from airflow_provider_wriftai.domain.progress import Progress
from airflow_provider_wriftai.domain.retention.deletion import Deleter, verify_deleted
from airflow_provider_wriftai.domain.retention.errors import (
    PruneIncompleteError,
    TooManyDeletionsError,
    UnmatchedProtectionError,
)
from airflow_provider_wriftai.domain.retention.listing import Listing, add_images, read_listing
from airflow_provider_wriftai.domain.retention.policy import Plan, RetentionPolicy, plan
from airflow_provider_wriftai.domain.retention.record import UNSUCCESSFUL, PruneRecord, Status, log_summary
from airflow_provider_wriftai.domain.retention.report import PruneReport, format_table

log = logging.getLogger(__name__)


def _utc_now() -> datetime:
    return datetime.now(UTC)


async def prune(
    api: API,
    model: ModelReference,
    policy: RetentionPolicy,
    *,
    dry_run: bool = False,
    record: PruneRecord | None = None,
    clock: Callable[[], float] = time.monotonic,
    own_clock: Callable[[], datetime] = _utc_now,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
) -> PruneReport:
    """Delete the versions of a model that a policy does not keep.

    The whole list is read before the first delete. The oldest versions are deleted first, several at once. A version
    that cannot be deleted does not stop the rest.

    Args:
        api: For asynchronous requests.
        model: The model to prune.
        policy: What is kept.
        dry_run: Whether to report only what would be deleted.
        record: Receives what is planned and done, for callers that may be stopped.
        clock: Returns seconds, for the progress in the log.
        own_clock: Returns the time of this machine.
        sleep: Waits a number of seconds.

    Returns:
        The report.

    Raises:
        UnplannableError: The service's list does not allow a safe decision. Nothing was deleted.
        InvalidPolicyError: Versions are named in another way than the service names them. Nothing was deleted.
        UnmatchedProtectionError: A protection matches no version, and the policy forbids that. Nothing was deleted.
        TooManyDeletionsError: The plan deletes more than the policy allows. Nothing was deleted.
        PruneIncompleteError: Some versions could not be deleted. It carries the report.
        WriftAIError: The list could not be read. Nothing was deleted.
    """
    began = clock()
    record = record or PruneRecord()
    listing = await read_listing(api, model, own_clock, clock)
    policy = replace(policy, protection=await policy.protection.search_notes(listing.versions))
    listing = await _check_names_and_add_images(api, model, policy, listing, clock)
    decided, unmatched = _decide(listing, model, policy)
    record.begin(model, decided, dry_run=dry_run, unmatched=unmatched)
    _log_plan(model, decided)
    if dry_run:
        _log_dry_run(decided, policy)
        return _report(record)
    if unmatched and policy.fail_on_unmatched_protection:
        raise UnmatchedProtectionError(_report(record), unmatched)
    if policy.max_deletions is not None and len(decided.to_delete) > policy.max_deletions:
        raise TooManyDeletionsError(_report(record), policy.max_deletions)
    try:
        await _delete(api, model, decided, record, clock=clock, sleep=sleep)
    finally:
        record.flush()
    log_summary(record, model, clock() - began)
    failed = record.with_status(*UNSUCCESSFUL)
    if failed:
        retryable = not record.is_refused and any(record.outcomes[reference].retryable for reference in failed)
        raise PruneIncompleteError(_report(record), retryable=retryable)
    return _report(record)


async def _check_names_and_add_images(
    api: API, model: ModelReference, policy: RetentionPolicy, listing: Listing, clock: Callable[[], float]
) -> Listing:
    policy.protection.check_names(listing.versions)
    if policy.only is not None:
        missing = policy.only.missing(listing.versions, "named in 'only'")
        if missing:
            log.info("Not found in %s, though named in 'only':%s", model, join_limited(missing))
    return await add_images(api, listing, policy, clock)


def _decide(listing: Listing, model: ModelReference, policy: RetentionPolicy) -> tuple[Plan, Sequence[str]]:
    unmatched = policy.protection.unmatched(listing.versions)
    if unmatched:
        log.warning("%s matched no version of %s:%s", format_count(len(unmatched), "protection"), model,
                    join_limited(unmatched))  # fmt: skip
    elif unknown := policy.protection.unmatched_digests(listing.versions):
        log.warning(
            "The images of some versions of %s are unknown, so these protected images may match none:%s",
            model, join_limited(unknown),
        )  # fmt: skip
    return plan(listing.versions, policy, listing.now), unmatched


def _log_plan(model: ModelReference, decided: Plan) -> None:
    log.info(
        "%s has %s: %d to delete, %d to keep (%d protected).",
        model, format_count(len(decided.decisions), "version"), len(decided.to_delete),
        len(decided.kept) + len(decided.protected), len(decided.protected),
    )  # fmt: skip
    for line in format_table(decided):
        log.info("%s", line)


def _log_dry_run(decided: Plan, policy: RetentionPolicy) -> None:
    log.info("This is a dry run: nothing is deleted.")
    if policy.max_deletions is not None and len(decided.to_delete) > policy.max_deletions:
        log.warning(
            "The plan deletes more versions than max_deletions allows (%d), so none would be deleted.",
            policy.max_deletions,
        )


async def _delete(
    api: API,
    model: ModelReference,
    decided: Plan,
    record: PruneRecord,
    *,
    clock: Callable[[], float],
    sleep: Callable[[float], Awaitable[object]],
) -> None:
    references = [decision.version.reference for decision in decided.to_delete]
    if not references:
        return
    deleter = Deleter(api, record, Progress(len(references), "Deleted versions", clock))
    try:
        await deleter.delete_all(references)
        await verify_deleted(api, model, record, deleter.unverified, sleep)
    except asyncio.CancelledError:
        log.warning(
            "The task was stopped: %d of %s deleted, %d without a response yet.",
            len(record.with_status(Status.DELETED)), format_count(len(references), "version"),
            len(record.with_status(Status.SENT)),
        )  # fmt: skip
        raise


def _report(record: PruneRecord) -> PruneReport:
    report = record.report()
    assert report is not None  # noqa: S101 - there is a plan
    return report
