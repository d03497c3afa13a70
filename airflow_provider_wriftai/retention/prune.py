"""Carry out a retention plan, and report what was done."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from airflow_provider_wriftai.client.errors import (
    AuthenticationError,
    ConnectionFailedError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitedError,
    ServerError,
    WriftAIError,
)
from airflow_provider_wriftai.client.references import ModelReference
from airflow_provider_wriftai.client.versions import Versions
from airflow_provider_wriftai.retention.errors import (
    PruneIncompleteError,
    PruneRefusedError,
    TooManyDeletionsError,
    UnplannableError,
)
from airflow_provider_wriftai.retention.listed import Listed
from airflow_provider_wriftai.retention.policy import Plan, RetentionPolicy, plan
from airflow_provider_wriftai.retention.progress import Progress
from airflow_provider_wriftai.retention.report import Failed, PruneReport, report_of, table_of

log = logging.getLogger(__name__)

AT_ONCE = 16
"""How many requests are under way at the most; the token's budget may make it fewer."""

_MOST_FAILURES_IN_A_ROW = 20
_OUTAGE = (ConnectionFailedError, RateLimitedError, ServerError)


async def prune(
    versions: Versions,
    model: ModelReference,
    policy: RetentionPolicy,
    *,
    dry_run: bool = False,
    clock: Callable[[], float] = time.monotonic,
) -> PruneReport:
    """Delete the versions of a model that a policy lets go.

    The whole list is read before the first delete, and ages are measured by the service's clock. The oldest go
    first, several at once. One version that cannot be deleted does not stop the rest.

    Args:
        versions: The client, for async requests.
        model: The model to prune.
        policy: What is kept.
        dry_run: Whether only to report what would go.
        clock: Tells seconds, to pace the progress in the log.

    Returns:
        The report.

    Raises:
        UnplannableError: What the service says of the versions allows no safe decision; nothing was deleted.
        TooManyDeletionsError: More would go than the policy allows; nothing was deleted.
        PruneIncompleteError: Some versions could not be deleted; it carries the report.
        WriftAIError: The list could not be read; nothing was deleted.
    """
    listed, now = await _read_everything(versions, model)
    for name in policy.protection.check(listed):
        log.warning("%s is protected, but %s has no such version now.", name, model)
    decided = await _decide(versions, listed, policy, now, clock)
    log.info(
        "%s has %d versions: %d go, %d stay, %d of them because they are protected.",
        model, len(decided.verdicts), len(decided.going),
        len(decided.kept) + len(decided.protected), len(decided.protected),
    )  # fmt: skip
    for line in table_of(decided):
        log.info("%s", line)
    report = report_of(decided, model, dry_run=dry_run)
    too_many = policy.max_deletions is not None and len(decided.going) > policy.max_deletions
    if dry_run:
        log.info("This is a dry run: nothing is deleted.")
        if too_many:
            log.warning("More would go than max_deletions allows (%s), so nothing would.", policy.max_deletions)
        return report
    if policy.max_deletions is not None and too_many:
        raise TooManyDeletionsError(report, policy.max_deletions)
    await _delete_all(versions, decided, report, clock)
    log.info(
        "Deleted %d versions of %s; %d were gone already.", len(report["deleted"]), model, len(report["already_gone"])
    )
    return report


async def _read_everything(versions: Versions, model: ModelReference) -> tuple[list[Listed], datetime]:
    listed: dict[str, Listed] = {}
    now: datetime | None = None
    async for page in versions.async_every_page(model.owner, model.name):
        for version in page.items:
            if version["reference"] in listed:
                raise UnplannableError(
                    f"The service listed {version['reference']} twice, so its list cannot be relied on; "
                    "nothing was deleted."
                )
            listed[version["reference"]] = Listed.of(version)
        # The first page's time: whatever is published while the rest is read only looks younger for it.
        now = now or page.served_at
    if now is None:
        raise UnplannableError(
            f"The list of versions of {model} came without a readable Date header, so the age of a version "
            "cannot be told; nothing was deleted."
        )
    return list(listed.values()), now


async def _decide(
    versions: Versions, listed: Sequence[Listed], policy: RetentionPolicy, now: datetime, clock: Callable[[], float]
) -> Plan:
    """Plan, and where it depends on images that the list leaves out, look those up."""
    decided = plan(listed, policy, now)
    unknown = {verdict.reference for verdict in decided.needing_images}
    if not unknown:
        return decided
    log.info("Looking up the images of %d versions that would go, because some images are protected.", len(unknown))
    progress = Progress(len(unknown), "looked up", clock)
    images: dict[str, str] = {}

    async def look_up(reference: str) -> None:
        try:
            digest = (await versions.async_get(reference)).get("container_image_digest")
        except NotFoundError:
            digest = None
        if isinstance(digest, str):
            images[reference] = digest
        progress.step()

    await _at_once(look_up, sorted(unknown))
    known = [replace(each, digest=images.get(each.reference, each.digest)) for each in listed]
    return plan(known, policy, now)


async def _delete_all(versions: Versions, decided: Plan, report: PruneReport, clock: Callable[[], float]) -> None:
    """Delete what goes, and note in the report what became of it.

    Raises:
        PruneIncompleteError: Not everything could be deleted.
    """
    going = [verdict.reference for verdict in decided.going]
    progress = Progress(len(going), "done", clock)
    outcomes: dict[str, WriftAIError | None] = {}
    in_a_row = 0

    async def delete(reference: str) -> None:
        nonlocal in_a_row
        if in_a_row >= _MOST_FAILURES_IN_A_ROW:
            outcomes[reference] = WriftAIError(f"it was not tried, because {in_a_row} others failed in a row before it")
            return
        try:
            await versions.async_delete(reference)
        except AuthenticationError:
            raise
        except WriftAIError as error:
            outcomes[reference] = error
            in_a_row = in_a_row + 1 if isinstance(error, _OUTAGE) else 0
            if not isinstance(error, NotFoundError):
                log.error("%s could not be deleted: %s", reference, error)  # noqa: TRY400 - the report has it
        else:
            outcomes[reference] = None
            in_a_row = 0
        progress.step()

    await _at_once(delete, going)
    for reference in going:
        match outcomes[reference]:
            case None:
                report["deleted"].append(reference)
            case NotFoundError():
                report["already_gone"].append(reference)
            case error:
                report["failed"].append(Failed(reference=reference, error=str(error)))
    if report["already_gone"]:
        await _doubt_those_still_listed(versions, ModelReference.parse(report["model"]), report)
    if report["failed"]:
        for_good = all(isinstance(error, PermissionDeniedError) for error in outcomes.values() if error is not None)
        raise (PruneRefusedError if for_good else PruneIncompleteError)(report)


async def _doubt_those_still_listed(versions: Versions, model: ModelReference, report: PruneReport) -> None:
    """Take a 404 back where the list disagrees, so that a green run hides no version that was not deleted."""
    listed = {
        version["reference"]
        async for page in versions.async_every_page(model.owner, model.name)
        for version in page.items
    }
    for reference in [reference for reference in report["already_gone"] if reference in listed]:
        report["already_gone"].remove(reference)
        error = "its delete was answered 404, yet it is still listed"
        report["failed"].append(Failed(reference=reference, error=error))


async def _at_once(work: Callable[[str], Awaitable[None]], references: Iterable[str]) -> None:
    """Do something for each version, several at once, beginning in order; the first error ends it."""
    left = iter(references)

    async def worker() -> None:
        for reference in left:
            await work(reference)

    workers = [asyncio.ensure_future(worker()) for _ in range(AT_ONCE)]
    try:
        await asyncio.gather(*workers)
    finally:
        for each in workers:
            each.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
