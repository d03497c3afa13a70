"""The report of a prune: plain JSON for the next task, a table for the log."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypedDict

from airflow_provider_wriftai.client.references import ModelReference
from airflow_provider_wriftai.retention.policy import Plan, Verdict

_MOST_ROWS = 200


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
    """The versions that the criteria keep, newest first."""
    protected: list[Decided]
    """The versions that only their protection keeps, newest first."""
    deleted: list[str]
    already_gone: list[str]
    failed: list[Failed]


def report_of(decided: Plan, model: ModelReference, *, dry_run: bool) -> PruneReport:
    """Begin a report: what is planned, and nothing done yet."""
    return PruneReport(
        model=str(model),
        dry_run=dry_run,
        planned=[_as_json(verdict) for verdict in decided.going],
        kept=[_as_json(verdict) for verdict in decided.kept],
        protected=[_as_json(verdict) for verdict in decided.protected],
        deleted=[],
        already_gone=[],
        failed=[],
    )


def table_of(decided: Plan) -> Iterator[str]:
    """Write a plan as the lines of a table, newest first; the middle of a long one is left out."""
    verdicts = decided.verdicts
    width = max((len(verdict.reference) for verdict in verdicts), default=0)
    yield f"{'':5}  {'version':<{width}}  {'created':<16}  why"
    half = _MOST_ROWS // 2
    shown = verdicts if len(verdicts) <= _MOST_ROWS else (*verdicts[:half], None, *verdicts[-half:])
    for verdict in shown:
        if verdict is None:
            yield f"{'':5}  … {len(verdicts) - 2 * half} more, in the task's result …"
            continue
        created = verdict.created_at.strftime("%Y-%m-%d %H:%M")
        yield f"{'goes' if verdict.goes else 'stays':5}  {verdict.reference:<{width}}  {created:<16}  {verdict.reason}"


def _as_json(verdict: Verdict) -> Decided:
    return Decided(reference=verdict.reference, created_at=verdict.created_at.isoformat(), reason=verdict.reason)
