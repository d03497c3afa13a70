"""Carry out a retention plan, and report what was done."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from datetime import datetime

from airflow_provider_wriftai.client.errors import (
    AuthenticationError,
    ConnectionFailedError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitedError,
    RequestError,
    WriftAIError,
)
from airflow_provider_wriftai.client.references import ModelReference
from airflow_provider_wriftai.client.summary import VersionSummary
from airflow_provider_wriftai.client.versions import Versions
from airflow_provider_wriftai.domain.progress import Progress
from airflow_provider_wriftai.domain.retention.errors import (
    PruneIncompleteError,
    PruneRefusedError,
    TooManyDeletionsError,
    UnplannableError,
)
from airflow_provider_wriftai.domain.retention.listed import Listed
from airflow_provider_wriftai.domain.retention.policy import Plan, RetentionPolicy, plan
from airflow_provider_wriftai.domain.retention.report import Failed, PruneReport, report_of, table_of

log = logging.getLogger(__name__)

AT_ONCE = 16
"""How many requests are under way at the most; the token's budget may make it fewer."""

_MOST_FAILURES_IN_A_ROW = 20


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
    if policy.only is not None:
        for name in policy.only.missing(listed, "given as the only ones"):
            log.info("%s may go, but %s has no such version now.", name, model)
    policy.protection.missing(listed)  # before images are looked up: whether the names are of the right kind
    listed = await _with_images(versions, listed, policy, now, clock)
    for name in policy.protection.missing(listed):
        log.warning("%s is protected, but %s has no such version now.", name, model)
    decided = plan(listed, policy, now)
    log.info(
        "%s has %d versions: %d go, %d stay, %d of them because they are protected.",
        model, len(decided.decisions), len(decided.to_delete),
        len(decided.kept) + len(decided.protected), len(decided.protected),
    )  # fmt: skip
    for line in table_of(decided):
        log.info("%s", line)
    report = report_of(decided, model, dry_run=dry_run)
    too_many = policy.max_deletions is not None and len(decided.to_delete) > policy.max_deletions
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


async def _with_images(
    versions: Versions, listed: list[Listed], policy: RetentionPolicy, now: datetime, clock: Callable[[], float]
) -> list[Listed]:
    """Look up the images that the list leaves out, where the plan depends on them."""
    unknown = {decision.reference for decision in plan(listed, policy, now).needing_images}
    if not unknown:
        return listed
    log.info("Looking up the images of %d versions that would go, because some images are protected.", len(unknown))
    progress = Progress(len(unknown), "looked up", clock)
    images: dict[str, str] = {}

    async def look_up(reference: str) -> None:
        try:
            digest = VersionSummary.of(await versions.async_get(reference)).digest
        except NotFoundError:
            digest = None
        if digest is not None:
            images[reference] = digest
        progress.step()

    await run_concurrently(look_up, sorted(unknown))
    return [replace(each, digest=images.get(each.reference, each.digest)) for each in listed]


async def _delete_all(versions: Versions, decided: Plan, report: PruneReport, clock: Callable[[], float]) -> None:
    """Delete what delete, and note in the report what became of it.

    Raises:
        PruneIncompleteError: Not everything could be deleted.
    """
    to_delete = [decision.reference for decision in decided.to_delete]
    progress = Progress(len(to_delete), "done", clock)
    deletes = _Deletes(versions, progress)
    try:
        await run_concurrently(deletes.delete, to_delete)
    except asyncio.CancelledError:
        log.warning("The task is stopped: %d of %d are done.", len(deletes.outcomes), len(to_delete))
        raise
    for reference in to_delete:
        match deletes.outcomes[reference]:
            case None:
                report["deleted"].append(reference)
            case NotFoundError():
                report["already_gone"].append(reference)
            case error:
                report["failed"].append(Failed(reference=reference, error=str(error)))
    doubted = deletes.unresolved.union(report["already_gone"])
    if doubted:
        await verify_deleted(versions, ModelReference.parse(report["model"]), report, doubted)
    if report["failed"]:
        errors = [deletes.outcomes[entry["reference"]] for entry in report["failed"]]
        for_good = deletes.refused or all(isinstance(error, PermissionDeniedError) for error in errors)
        raise (PruneRefusedError if for_good else PruneIncompleteError)(report)


class _Deletes:
    """Deletes, one by one, until it makes no sense any more.

    Attributes:
        outcomes: What became of each version: None where it was deleted, the error otherwise.
        unresolved: Those that count as deleted though the service did not say so.
        refused: Whether the service refused the token.
    """

    def __init__(self, versions: Versions, progress: Progress) -> None:
        self._versions = versions
        self._progress = progress
        self._failures_in_a_row = 0
        self.outcomes: dict[str, WriftAIError | None] = {}
        self.unresolved: set[str] = set()
        self.refused = False

    async def delete(self, reference: str) -> None:
        """Delete one, and note down what became of it."""
        if self.refused or self._failures_in_a_row >= _MOST_FAILURES_IN_A_ROW:
            why = "the token was refused" if self.refused else f"{self._failures_in_a_row} others failed in a row"
            self.outcomes[reference] = WriftAIError(f"it was not tried, because {why} before it")
            return
        try:
            if not await self._versions.async_delete_confirmed(reference):
                self.unresolved.add(reference)
        except WriftAIError as error:
            self.outcomes[reference] = error
            self.refused = self.refused or isinstance(error, AuthenticationError)
            self._failures_in_a_row = self._failures_in_a_row + 1 if _is_of_the_service(error) else 0
            if not isinstance(error, NotFoundError):
                log.error("%s could not be deleted: %s", reference, error)  # noqa: TRY400 - the report has it
        else:
            self.outcomes[reference] = None
            self._failures_in_a_row = 0
        self._progress.step()


def _is_of_the_service(error: WriftAIError) -> bool:
    """Tell a failure of the service, or of what is in between, from one that has to do with one version."""
    no_answer = isinstance(error, ConnectionFailedError | RateLimitedError)
    return no_answer or (isinstance(error, RequestError) and error.ambiguous)


async def verify_deleted(versions: Versions, model: ModelReference, report: PruneReport, doubted: set[str]) -> None:
    """Look whether those that were answered 404 are gone, so that a green run hides no version that is not."""
    error = "its delete was answered 404, yet it is still listed"
    try:
        there = {
            version["reference"]
            async for page in versions.async_every_page(model.owner, model.name)
            for version in page.items
        }
    except WriftAIError as failure:
        error = f"its delete was answered 404, and whether it is gone could not be seen: {failure}"
        there = doubted
    for reference in sorted(doubted & there):
        for done in (report["deleted"], report["already_gone"]):
            if reference in done:
                done.remove(reference)
        report["failed"].append(Failed(reference=reference, error=error))


async def run_concurrently(work: Callable[[str], Awaitable[None]], references: Iterable[str]) -> None:
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
