"""The report stays small, and never loses what the next task needs."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from airflow_provider_wriftai.client.references import ModelReference, VersionId, VersionNumber, VersionReference
from airflow_provider_wriftai.client.version import VersionRecord
from airflow_provider_wriftai.domain.retention.policy import RetentionPolicy, plan
from airflow_provider_wriftai.domain.retention.record import Outcome, PruneRecord, Status
from airflow_provider_wriftai.domain.retention.report import PruneReport
from airflow_provider_wriftai.domain.retention.selectors import parse_version_selectors

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
MODEL = ModelReference("acme", "detector")


def _make_references(count: int, generation: int) -> list[VersionReference]:
    if generation == 2:
        return [VersionNumber(MODEL, number) for number in range(1, count + 1)]
    return [VersionId(f"5b1f0c8e-0000-4000-8000-{number:012}") for number in range(1, count + 1)]


def _make_report(count: int, keep_last: int, *, dry_run: bool, status: Status, generation: int = 2) -> PruneReport:
    versions = [
        VersionRecord(reference, NOW - timedelta(minutes=count - place), "notes")
        for place, reference in enumerate(_make_references(count, generation))
    ]
    record = PruneRecord()
    record.begin(MODEL, plan(versions, RetentionPolicy(keep_last=keep_last), NOW), dry_run=dry_run, unmatched=())
    assert record.plan is not None
    if not dry_run:
        for decision in record.plan.to_delete:
            error = "x" * 2000 if status is Status.FAILED else ""
            record.outcomes[decision.version.reference] = Outcome(status, error)
    report = record.report()
    assert report is not None
    return report


@pytest.mark.parametrize(
    ("keep_last", "dry_run", "status", "largest"),
    [
        (99_990, False, Status.DELETED, 40_000),
        (10, False, Status.DELETED, 200_000),
        (10, False, Status.ALREADY_GONE, 200_000),
        (10, False, Status.FAILED, 600_000),
        (10, True, Status.SENT, 900_000),
    ],
)
def test_the_report_of_100000_versions_is_small(keep_last: int, dry_run: bool, status: Status, largest: int) -> None:
    report = _make_report(100_000, keep_last, dry_run=dry_run, status=status)
    assert len(json.dumps(report)) < largest
    assert report["planned_count"] + report["kept_count"] == 100_000
    done = report["deleted_count"] + report["already_gone_count"] + report["failed_count"]
    assert done == (0 if dry_run else report["planned_count"])


def test_a_long_list_says_that_it_is_truncated() -> None:
    report = _make_report(3000, 500, dry_run=False, status=Status.DELETED)
    assert report["truncated"] == ["planned", "kept", "deleted"]
    assert (len(report["planned"]), len(report["kept"]), len(report["deleted"])) == (1000, 100, 1000)
    assert report["planned"][0]["reference"] == "acme/detector:1"
    assert report["kept"][0]["reference"] == "acme/detector:3000"
    assert _make_report(1000, 10, dry_run=False, status=Status.DELETED)["truncated"] == []


@pytest.mark.parametrize("generation", [1, 2])
def test_the_versions_for_only_are_never_truncated(generation: int) -> None:
    report = _make_report(3000, 500, dry_run=True, status=Status.SENT, generation=generation)
    assert report["truncated"] == ["planned", "kept"]
    only = parse_version_selectors("only", MODEL, json.loads(json.dumps(report["only"])))
    chosen = [reference for reference in _make_references(3000, generation) if reference in only]
    assert chosen == _make_references(2500, generation)
