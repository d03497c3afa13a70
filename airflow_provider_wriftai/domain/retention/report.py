"""The report of a prune: small plain JSON for the next task, and a table for the log."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TypedDict

from airflow_provider_wriftai.domain.retention.policy import Decision, Plan
from airflow_provider_wriftai.domain.times import to_utc

MOST_REPORTED = 1000
"""Versions that ``planned``, ``deleted``, ``already_gone``, ``interrupted``, and ``failed`` list at most."""

MOST_KEPT_REPORTED = 100
"""Versions that ``kept`` and ``protected`` list at most."""

LONGEST_ERROR = 300
"""Characters of an error that ``failed`` shows."""

_MOST_ROWS = 200


class ReportedVersion(TypedDict):
    """A version, and why it is deleted or kept."""

    reference: str
    created_at: str
    reason: str


class FailedDeletion(TypedDict):
    """A version that could not be deleted, and why."""

    reference: str
    error: str


class PruneReport(TypedDict):
    """The report of a prune or a dry run: plain JSON. The counts are exact; long lists are truncated."""

    model: str
    dry_run: bool
    planned_count: int
    kept_count: int
    protected_count: int
    deleted_count: int
    already_gone_count: int
    interrupted_count: int
    failed_count: int
    planned: list[ReportedVersion]
    """The versions to delete, oldest first."""
    kept: list[ReportedVersion]
    """The versions that the criteria keep, newest first."""
    protected: list[ReportedVersion]
    """The versions that only their protection keeps, newest first."""
    deleted: list[str]
    already_gone: list[str]
    """The versions that somebody else had deleted."""
    interrupted: list[str]
    """The versions whose delete had no response yet when the task was stopped."""
    failed: list[FailedDeletion]
    unmatched_protections: list[str]
    """The protections that match no version."""
    truncated: list[str]
    """The names of the lists above that are not complete."""
    only: list[int | str]
    """In a dry run, all versions to delete, by number or id: for the parameter ``only``. Never truncated."""


def to_reported_versions(decisions: Sequence[Decision], most: int) -> list[ReportedVersion]:
    """Return the first decisions as JSON."""
    return [_as_json(decision) for decision in islice(decisions, most)]


def format_table(plan: Plan) -> Iterator[str]:
    """Yield the lines of a table, newest first; of a long plan, only the beginning and the end."""
    decisions = plan.decisions
    half = _MOST_ROWS // 2
    omitted = max(0, len(decisions) - _MOST_ROWS)
    shown = [*decisions[:half], *decisions[half + omitted :]]
    references = [str(decision.version.reference) for decision in shown]
    width = max(map(len, references), default=0)
    yield f"{'':6}  {'version':<{width}}  {'created (UTC)':<16}  reason"
    for row, (reference, decision) in enumerate(zip(references, shown, strict=True)):
        if omitted and row == half:
            yield f"{'':6}  … {omitted} more …"
        created_at = decision.version.created_at
        created = f"{to_utc(created_at):%Y-%m-%d %H:%M}" if created_at else ""
        yield f"{'delete' if decision.delete else 'keep':6}  {reference:<{width}}  {created:<16}  {decision.reason}"


def _as_json(decision: Decision) -> ReportedVersion:
    version = decision.version
    return ReportedVersion(
        reference=str(version.reference),
        created_at=version.created_at.isoformat() if version.created_at else "",
        reason=decision.reason,
    )
