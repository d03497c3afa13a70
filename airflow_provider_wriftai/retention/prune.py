"""Carry out a retention plan, and report what was done."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import datetime
from typing import TypedDict

from airflow_provider_wriftai.client.common_types import Version
from airflow_provider_wriftai.client.errors import AuthenticationError, NotFoundError, WriftAIError
from airflow_provider_wriftai.client.references import ModelReference
from airflow_provider_wriftai.client.versions import Versions
from airflow_provider_wriftai.retention.errors import PruneIncompleteError, UnplannableError
from airflow_provider_wriftai.retention.policy import Plan, RetentionPolicy, Verdict, plan

log = logging.getLogger(__name__)

_PROGRESS_EVERY = 10.0


class Decided(TypedDict):
    """A version and why it goes or stays."""

    reference: str
    created_at: str
    reason: str


class Failed(TypedDict):
    """A version that could not be deleted, and what the service said."""

    reference: str
    error: str


class PruneReport(TypedDict):
    """What a prune did, or in a dry run would do: plain JSON."""

    model: str
    dry_run: bool
    planned: list[Decided]
    """The versions that go, oldest first."""
    kept: list[Decided]
    """The versions that stay, newest first."""
    deleted: list[str]
    already_gone: list[str]
    failed: list[Failed]


def prune(
    versions: Versions,
    model: ModelReference,
    policy: RetentionPolicy,
    *,
    dry_run: bool = False,
    clock: Callable[[], float] = time.monotonic,
) -> PruneReport:
    """Delete the versions of a model that a policy lets go.

    The whole list is read before the first delete, and ages are measured by the service's clock. One
    version that cannot be deleted does not stop the rest.

    Args:
        versions: The client.
        model: The model to prune.
        policy: What is kept.
        dry_run: Whether only to report what would go.
        clock: Tells seconds, to pace the progress in the log.

    Returns:
        The report.

    Raises:
        UnplannableError: What the service says of the versions allows no safe decision; nothing was deleted.
        PruneIncompleteError: Some versions could not be deleted; it carries the report.
        WriftAIError: The list could not be read; nothing was deleted.
    """
    listed, now = _read_everything(versions, model)
    decided = plan(listed, policy, now)
    log.info(
        "%s has %d versions: %d stay, %d go.", model, len(decided.verdicts), len(decided.staying), len(decided.going)
    )
    for verdict in decided.verdicts:
        log.info("  %s %s: %s", "goes " if verdict.goes else "stays", verdict.reference, verdict.reason)
    report = _report_of(decided, model, dry_run)
    if dry_run:
        log.info("This is a dry run: nothing is deleted.")
        return report
    _delete_all(versions, decided, report, clock)
    if report["already_gone"]:
        _doubt_those_still_listed(versions, model, report)
    if report["failed"]:
        raise PruneIncompleteError(report)
    return report


def _doubt_those_still_listed(versions: Versions, model: ModelReference, report: PruneReport) -> None:
    """Take a 404 back where the list disagrees, so that a green run hides no version that was not deleted."""
    listed = {version["reference"] for page in versions.every_page(model.owner, model.name) for version in page.items}
    for reference in [reference for reference in report["already_gone"] if reference in listed]:
        report["already_gone"].remove(reference)
        error = "its delete was answered 404, yet it is still listed"
        report["failed"].append(Failed(reference=reference, error=error))


def _read_everything(versions: Versions, model: ModelReference) -> tuple[list[Version], datetime]:
    listed: list[Version] = []
    references: set[str] = set()
    now: datetime | None = None
    for page in versions.every_page(model.owner, model.name):
        for version in page.items:
            if version["reference"] in references:
                raise UnplannableError(
                    f"The service listed {version['reference']} twice, so its list cannot be relied on; "
                    "nothing was deleted."
                )
            references.add(version["reference"])
            listed.append(version)
        # The first page's time: whatever is published while the rest is read only looks younger for it.
        now = now or page.served_at
    if now is None:
        raise UnplannableError(
            f"The list of versions of {model} came without a readable Date header, so the age of a version "
            "cannot be told; nothing was deleted."
        )
    return listed, now


def _report_of(decided: Plan, model: ModelReference, dry_run: bool) -> PruneReport:
    return PruneReport(
        model=str(model),
        dry_run=dry_run,
        planned=[_as_json(verdict) for verdict in decided.going],
        kept=[_as_json(verdict) for verdict in decided.staying],
        deleted=[],
        already_gone=[],
        failed=[],
    )


def _as_json(verdict: Verdict) -> Decided:
    return Decided(reference=verdict.reference, created_at=verdict.created_at.isoformat(), reason=verdict.reason)


def _delete_all(versions: Versions, decided: Plan, report: PruneReport, clock: Callable[[], float]) -> None:
    going = decided.going
    started = told = clock()
    for done, verdict in enumerate(going, start=1):
        try:
            versions.delete(verdict.reference)
        except AuthenticationError:
            raise
        except NotFoundError:
            report["already_gone"].append(verdict.reference)
        except WriftAIError as error:
            log.error("%s could not be deleted: %s", verdict.reference, error)  # noqa: TRY400 - the report has it
            report["failed"].append(Failed(reference=verdict.reference, error=str(error)))
        else:
            report["deleted"].append(verdict.reference)
        now = clock()
        if now - told >= _PROGRESS_EVERY:
            told = now
            rate = done / (now - started)
            left = len(going) - done
            log.info("%d of %d done, %.1f a second, about %.0f s to go.", done, len(going), rate, left / rate)
    log.info(
        "Deleted %d versions; %d were gone already, %d failed.",
        len(report["deleted"]), len(report["already_gone"]), len(report["failed"]),
    )  # fmt: skip
