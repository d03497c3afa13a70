"""A record of what a prune has planned and done, complete wherever its task ends.

A task can end at any moment: by an error, a timeout, a mark in the UI, or a signal. Each delete is recorded here when
it is sent and when its outcome is known, so the report can be made at any time. The log names the deleted versions in
batches; a process that is killed leaves that much.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from airflow_provider_wriftai.client.references import ModelReference, VersionNumber, VersionReference
from airflow_provider_wriftai.client.text import format_count, truncate
from airflow_provider_wriftai.domain.retention.policy import Plan
from airflow_provider_wriftai.domain.retention.report import (
    LONGEST_ERROR,
    MOST_KEPT_REPORTED,
    MOST_REPORTED,
    FailedDeletion,
    PruneReport,
    to_reported_versions,
)

log = logging.getLogger(__name__)

BATCH = 50
"""Deleted versions that one line of the log names at most."""

_MOST_FAILURES_LOGGED = 20


class Status(Enum):
    """The status of a delete."""

    SENT = "sent"
    """Its outcome is not known yet."""
    DELETED = "deleted"
    ALREADY_GONE = "already gone"
    FAILED = "failed"
    NOT_ATTEMPTED = "not attempted"
    """No delete was sent, because there was no point in it."""


UNSUCCESSFUL = (Status.FAILED, Status.NOT_ATTEMPTED)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome for one version that was to be deleted.

    Attributes:
        status: The status of its delete.
        error: Why it could not be deleted.
        retryable: Whether another attempt can delete it.
    """

    status: Status
    error: str = ""
    retryable: bool = True


class PruneRecord:
    """The plan of a prune, and the outcomes so far. It may be read from any thread.

    Attributes:
        plan: The plan; None before it is known.
        outcomes: The outcome of each delete that was sent or not attempted.
        unmatched: The protections that match no version.
        is_refused: Whether the service refused the access token, so that no further delete was sent.
    """

    def __init__(self) -> None:
        self.plan: Plan | None = None
        self.outcomes: dict[VersionReference, Outcome] = {}
        self.unmatched: Sequence[str] = ()
        self.is_refused = False
        self._model = ""
        self._dry_run = False
        self._unlogged: list[VersionReference] = []
        self._failures = 0

    def begin(self, model: ModelReference, plan: Plan, *, dry_run: bool, unmatched: Sequence[str]) -> None:
        """Record the plan."""
        self._model, self._dry_run, self.unmatched, self.plan = str(model), dry_run, unmatched, plan

    def add(self, reference: VersionReference, outcome: Outcome) -> None:
        """Record the outcome of a delete, or that it is about to be sent."""
        self.outcomes[reference] = outcome
        match outcome.status:
            case Status.DELETED:
                self._unlogged.append(reference)
                if len(self._unlogged) >= BATCH:
                    self.flush()
            case Status.FAILED:
                self._failures += 1
                if self._failures <= _MOST_FAILURES_LOGGED:
                    log.error("Could not delete %s: %s", reference, outcome.error)
                elif self._failures == _MOST_FAILURES_LOGGED + 1:
                    log.error("Further failures are not logged one by one. The report lists them.")

    def flush(self) -> None:
        """Log which versions were deleted since the last line."""
        references, self._unlogged = self._unlogged, []
        if references:
            log.info("Deleted %s.", _join_references(references))

    def with_status(self, *statuses: Status) -> list[VersionReference]:
        """Return the versions with one of some outcomes, in the order of the plan."""
        outcomes = dict(self.outcomes)
        planned = self.plan.to_delete if self.plan else ()
        references = (decision.version.reference for decision in planned)
        return [each for each in references if (found := outcomes.get(each)) and found.status in statuses]

    def report(self) -> PruneReport | None:
        """Return the report of what was planned and done so far; None if nothing is planned yet."""
        if self.plan is None:
            return None
        plan = self.plan
        deleted = self.with_status(Status.DELETED)
        gone = self.with_status(Status.ALREADY_GONE)
        sent = self.with_status(Status.SENT)
        failed = self.with_status(*UNSUCCESSFUL)
        lengths = {
            "planned": (len(plan.to_delete), MOST_REPORTED),
            "kept": (len(plan.kept), MOST_KEPT_REPORTED),
            "protected": (len(plan.protected), MOST_KEPT_REPORTED),
            "deleted": (len(deleted), MOST_REPORTED),
            "already_gone": (len(gone), MOST_REPORTED),
            "interrupted": (len(sent), MOST_REPORTED),
            "failed": (len(failed), MOST_REPORTED),
            "unmatched_protections": (len(self.unmatched), MOST_KEPT_REPORTED),
        }
        return PruneReport(
            model=self._model,
            dry_run=self._dry_run,
            planned_count=len(plan.to_delete),
            kept_count=len(plan.kept),
            protected_count=len(plan.protected),
            deleted_count=len(deleted),
            already_gone_count=len(gone),
            interrupted_count=len(sent),
            failed_count=len(failed),
            planned=to_reported_versions(plan.to_delete, MOST_REPORTED),
            kept=to_reported_versions(plan.kept, MOST_KEPT_REPORTED),
            protected=to_reported_versions(plan.protected, MOST_KEPT_REPORTED),
            deleted=[str(reference) for reference in deleted[:MOST_REPORTED]],
            already_gone=[str(reference) for reference in gone[:MOST_REPORTED]],
            interrupted=[str(reference) for reference in sent[:MOST_REPORTED]],
            failed=[
                FailedDeletion(reference=str(reference), error=truncate(self.outcomes[reference].error, LONGEST_ERROR))
                for reference in failed[:MOST_REPORTED]
            ],
            unmatched_protections=list(self.unmatched[:MOST_KEPT_REPORTED]),
            truncated=[name for name, (length, most) in lengths.items() if length > most],
            only=[_selector(decision.version.reference) for decision in plan.to_delete] if self._dry_run else [],
        )


def _selector(reference: VersionReference) -> int | str:
    return reference.number if isinstance(reference, VersionNumber) else reference.id


def _join_references(references: Iterable[VersionReference]) -> str:
    """Return references for a line of the log; numbers of one model as ranges, such as ``acme/detector:1-50``."""
    numbers: dict[ModelReference, list[int]] = {}
    texts: list[str] = []
    for reference in references:
        if isinstance(reference, VersionNumber):
            numbers.setdefault(reference.model, []).append(reference.number)
        else:
            texts.append(str(reference))
    texts += [f"{model}:{_format_ranges(sorted(of_model))}" for model, of_model in numbers.items()]
    return ", ".join(texts)


def _format_ranges(numbers: Sequence[int]) -> str:
    ranges: list[list[int]] = []
    for number in numbers:
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in ranges)


def log_summary(record: PruneRecord, model: ModelReference, seconds: float) -> None:
    """Log how many versions a prune deleted."""
    deleted, gone = len(record.with_status(Status.DELETED)), len(record.with_status(Status.ALREADY_GONE))
    log.info("Deleted %s of %s in %.1f s (%d already gone).", format_count(deleted, "version"), model, seconds, gone)
