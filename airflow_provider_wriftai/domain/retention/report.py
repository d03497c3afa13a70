"""The report of a prune: plain JSON for the next task, a table for the log."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypedDict

from airflow_provider_wriftai.client.references import ModelReference
from airflow_provider_wriftai.domain.retention.policy import Decision, Plan

_MOST_ROWS = 200


class ReportedVersion(TypedDict):
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
    planned: list[ReportedVersion]
    """The versions that go, oldest first."""
    kept: list[ReportedVersion]
    """The versions that the criteria keep, newest first."""
    protected: list[ReportedVersion]
    """The versions that only their protection keeps, newest first."""
    deleted: list[str]
    already_gone: list[str]
    failed: list[Failed]


def report_of(decided: Plan, model: ModelReference, *, dry_run: bool) -> PruneReport:
    """Begin a report: what is planned, and nothing done yet."""
    return PruneReport(
        model=str(model),
        dry_run=dry_run,
        planned=[_as_json(decision) for decision in decided.to_delete],
        kept=[_as_json(decision) for decision in decided.kept],
        protected=[_as_json(decision) for decision in decided.protected],
        deleted=[],
        already_gone=[],
        failed=[],
    )


def table_of(decided: Plan) -> Iterator[str]:
    """Write a plan as the lines of a table, newest first; the middle of a long one is left out."""
    decisions = decided.decisions
    width = max((len(decision.reference) for decision in decisions), default=0)
    yield f"{'':6}  {'version':<{width}}  {'created':<16}  why"
    half = _MOST_ROWS // 2
    shown = decisions if len(decisions) <= _MOST_ROWS else (*decisions[:half], None, *decisions[-half:])
    for decision in shown:
        if decision is None:
            yield f"{'':6}  … {len(decisions) - 2 * half} more, in the task's result …"
            continue
        created = decision.created_at.strftime("%Y-%m-%d %H:%M")
        action = "delete" if decision.delete else "keep"
        yield f"{action:6}  {decision.reference:<{width}}  {created:<16}  {decision.reason}"


def _as_json(decision: Decision) -> ReportedVersion:
    return ReportedVersion(
        reference=decision.reference, created_at=decision.created_at.isoformat(), reason=decision.reason
    )
