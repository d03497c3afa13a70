"""The checkers of the campaign find what is wrong, and nothing else."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chaos.checkers.events import check_events
from chaos.checkers.publishing import check_published
from chaos.checkers.retention import RetentionChecker, find_due
from chaos.checkers.waits import TIMED_OUT, WaitEnd, check_wait
from chaos.histories import Rules, make_history
from chaos.report import format_problems, rows_of
from chaos.scenario import Finding, Kind, Outcome, Row, Scenario
from chaos.service import Service, running_service

DIGEST = "sha256:" + "ab" * 32
RULES = Rules(
    keep_last=3, older_than_days=None, calendar={}, protected=(), protected_digests=(), protected_word=None,
    only=None, max_deletions=None,
)  # fmt: skip


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with running_service(tmp_path / "service") as running:
        yield running


def _kinds(findings: tuple[Finding, ...]) -> list[Kind]:
    return [finding.kind for finding in findings]


def test_a_second_version_is_duplicated_and_a_missing_one_lost(service: Service) -> None:
    service.add_model("m")
    returned = {"reference": "acme/m:1"}
    assert _kinds(check_published([], returned, 2)) == [Kind.LOST]
    service.publish("m", "x", DIGEST)
    assert check_published(service.versions("m", DIGEST), returned, 2) == ()
    assert _kinds(check_published(service.versions("m", DIGEST), None, 2)) == [Kind.LOST]
    assert _kinds(check_published(service.versions("m", DIGEST), {"reference": "acme/m:2"}, 2)) == [Kind.LOST]
    service.publish("m", "x", DIGEST)
    assert _kinds(check_published(service.versions("m", DIGEST), returned, 2)) == [Kind.DUPLICATED]


@pytest.mark.parametrize(
    ("changes", "due"),
    [
        ({}, {1, 2, 3}),
        ({"keep_last": None, "older_than_days": 3.0}, {1, 2, 3, 4}),
        ({"keep_last": 10}, set()),
        ({"keep_last": 1}, {1, 2, 3, 4, 5}),
        ({"calendar": {"keep_daily": 4}}, {1, 2}),
        ({"protected_word": "release"}, set()),
        ({"max_deletions": 2}, set()),
        ({"max_deletions": 3}, {1, 2, 3}),
        ({"only": ()}, set()),
    ],
)
def test_the_reference_implementation_follows_the_guide(
    service: Service, changes: dict[str, Any], due: set[int]
) -> None:
    make_history(service, random.Random(1), "m", 6, 2)  # noqa: S311
    versions = service.versions("m")
    annotated = [replace(version, release_notes="A RELEASE") for version in versions]
    found = find_due(annotated, replace(RULES, **changes), 2)
    assert {version.number for version in versions if version.id in found} == due


def test_a_wrong_delete_and_a_false_report_are_found(service: Service) -> None:
    make_history(service, random.Random(1), "m", 6, 2)  # noqa: S311
    checker = RetentionChecker(service, "m", 2, RULES)
    checker.try_begins()
    by_number = {version.number: version for version in service.versions("m")}
    for number in (1, 2, 3):
        service.store.delete_version(by_number[number])
    report: dict[str, list[str]] = {"deleted": [f"acme/m:{n}" for n in (1, 2, 3)], "already_gone": []}
    assert checker.check(report) == ()
    assert _kinds(checker.check({**report, "already_gone": ["acme/m:6"]})) == [Kind.LOST]
    checker.disturb(published=1, deleted=0)
    assert checker.check(report) == ()
    service.store.delete_version(by_number[6])
    assert _kinds(checker.check(report)) == [Kind.WRONGLY_DELETED]


def test_a_version_that_is_due_and_exists_is_lost(service: Service) -> None:
    make_history(service, random.Random(1), "m", 6, 2)  # noqa: S311
    checker = RetentionChecker(service, "m", 2, RULES)
    checker.try_begins()
    assert _kinds(checker.check({"deleted": [], "already_gone": []})) == [Kind.LOST] * 3
    assert checker.check(None) == ()


@pytest.mark.parametrize(
    ("reference", "log", "late", "expected", "is_correct"),
    [
        ("acme/m:2", "", -5.0, "acme/m:2", True),
        ("acme/m:1", "", -5.0, "acme/m:2", False),
        (None, TIMED_OUT, 1.0, "acme/m:2", False),
        (None, TIMED_OUT, 1.0, None, True),
        (None, TIMED_OUT, -1.0, None, False),
        (None, TIMED_OUT, 99.0, None, False),
        (None, "Killed", 1.0, None, False),
        ("acme/m:1", "", 1.0, None, False),
    ],
)
def test_only_a_correct_end_of_a_wait_passes(
    reference: str | None, log: str, late: float, expected: str | None, is_correct: bool
) -> None:
    findings = check_wait(WaitEnd("wait", reference, log, late, expected), latest=60.0)
    assert (findings == ()) is is_correct


def test_an_event_comes_once_unless_it_was_unconfirmed() -> None:
    assert check_events(["m:1", "m:2"], ["m:1", "m:2"], []) == ()
    assert _kinds(check_events(["m:1", "m:2"], ["m:1"], [])) == [Kind.LOST]
    assert _kinds(check_events(["m:1"], ["m:1", "m:2"], [])) == [Kind.OTHER]
    assert _kinds(check_events(["m:1"], ["m:1", "m:1"], [])) == [Kind.DUPLICATED]
    assert check_events(["m:1"], ["m:1", "m:1"], [frozenset({"m:1"})]) == ()
    assert _kinds(check_events(["m:1"], ["m:1"] * 3, [frozenset({"m:1"})])) == [Kind.DUPLICATED]


def test_a_scenario_without_a_fault_is_a_problem() -> None:
    row = Row("quiet", "quiet", "runs", frozenset({Kind.LOST}))
    scenario = Scenario("quiet", (row,), 1, 1, lambda setting: iter(()))
    (problem,) = format_problems(rows_of(scenario, [Outcome(1, faults=0)]))
    assert "no fault was injected" in problem
    assert format_problems(rows_of(scenario, [Outcome(1, faults=1)])) == []
    found = Outcome(7, faults=1, findings=(Finding(Kind.LOST, "gone"),))
    assert format_problems(rows_of(scenario, [found])) == ["WRONG in quiet, seed 7, lost: gone"]
