"""Calendar retention, compared with a naive implementation."""

from __future__ import annotations

import dataclasses
import random
from collections import defaultdict
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_wriftai.client.references import ModelReference, VersionId, VersionNumber, VersionReference
from airflow_provider_wriftai.client.version import VersionRecord
from airflow_provider_wriftai.domain.retention.calendar import CalendarRules
from airflow_provider_wriftai.domain.retention.errors import InvalidPolicyError
from airflow_provider_wriftai.domain.retention.policy import RetentionPolicy, creation_time, plan

NOW = datetime(2026, 11, 8, 12, tzinfo=UTC)
MODEL = ModelReference("acme", "det")

RULES = ("keep_daily", "keep_weekly", "keep_monthly", "keep_yearly")


def _version(number: int, created_at: datetime, *, numbered: bool = True) -> VersionRecord:
    return VersionRecord(VersionNumber(MODEL, number) if numbered else VersionId(f"id-{number:03}"), created_at)


@st.composite
def histories(draw: st.DrawFn) -> list[VersionRecord]:
    """Draw versions of three years, often several per day or at the same time, with and without numbers."""
    numbered = draw(st.booleans())
    hours = draw(st.lists(st.integers(0, 3 * 365 * 4).map(lambda quarter: quarter * 6), max_size=40))
    if draw(st.booleans()):
        hours.sort(reverse=True)
    return [_version(n, NOW - timedelta(hours=age), numbered=numbered) for n, age in enumerate(hours, start=1)]


rules = (
    st.fixed_dictionaries({name: st.none() | st.integers(1, 8) for name in RULES})
    .filter(lambda counts: any(counts.values()))
    .map(lambda counts: CalendarRules(**counts))
)


def _plan_deletions(versions: list[VersionRecord], calendar: CalendarRules, **more: Any) -> set[VersionReference]:
    result = plan(versions, RetentionPolicy(calendar=calendar, **more), NOW)
    return {decision.version.reference for decision in result.to_delete}


def _plan_naively(versions: list[VersionRecord], calendar: CalendarRules) -> set[VersionReference]:
    """Return the versions to delete, in the words of the documentation."""

    def is_newer(one: VersionRecord, other: VersionRecord) -> bool:
        if one.number is not None and other.number is not None:
            return one.number > other.number
        return creation_time(one) > creation_time(other)

    def newest_of(some: list[VersionRecord]) -> list[VersionRecord]:
        return [each for each in some if not any(is_newer(other, each) for other in some)]

    def day(time: datetime) -> tuple[int, ...]:
        return (time.year, time.month, time.day)

    def week(time: datetime) -> tuple[int, ...]:
        return tuple(time.isocalendar())[:2]

    def month(time: datetime) -> tuple[int, ...]:
        return (time.year, time.month)

    def year(time: datetime) -> tuple[int, ...]:
        return (time.year,)

    kept = newest_of(versions)
    for name, period_of in zip(RULES, (day, week, month, year), strict=True):
        count = getattr(calendar, name)
        if count is not None:
            periods = defaultdict(list)
            for version in versions:
                periods[period_of(creation_time(version))].append(version)
            for period in sorted(periods)[-count:]:
                kept += newest_of(periods[period])
    return {version.reference for version in versions} - {version.reference for version in kept}


@given(histories(), rules)
def test_the_plan_equals_that_of_a_naive_implementation(versions: list[VersionRecord], calendar: CalendarRules) -> None:
    assert _plan_deletions(versions, calendar) == _plan_naively(versions, calendar)


@given(histories(), rules, st.randoms(use_true_random=False))
def test_the_order_of_the_list_does_not_matter(
    versions: list[VersionRecord], calendar: CalendarRules, chance: random.Random
) -> None:
    shuffled = list(versions)
    chance.shuffle(shuffled)
    assert _plan_deletions(shuffled, calendar) == _plan_deletions(versions, calendar)


@given(histories(), rules, st.sampled_from(RULES), st.integers(1, 5))
def test_higher_counts_and_more_rules_never_delete_more(
    versions: list[VersionRecord], calendar: CalendarRules, name: str, more: int
) -> None:
    higher = dataclasses.replace(calendar, **{name: (getattr(calendar, name) or 0) + more})
    assert _plan_deletions(versions, higher) <= _plan_deletions(versions, calendar)


@given(histories(), rules)
def test_the_newest_is_always_kept(versions: list[VersionRecord], calendar: CalendarRules) -> None:
    if versions:
        newest = max(versions, key=lambda version: (version.number or 0, creation_time(version)))
        assert newest.reference not in _plan_deletions(versions, calendar)


@given(histories(), rules, st.integers(1, 10), st.integers(1, 400))
def test_a_version_is_deleted_only_if_every_criterion_allows_it(
    versions: list[VersionRecord], calendar: CalendarRules, keep_last: int, days: int
) -> None:
    other = {"keep_last": keep_last, "older_than": timedelta(days=days)}
    alone = {each.version.reference for each in plan(versions, RetentionPolicy(**other), NOW).to_delete}  # type: ignore[arg-type]
    assert _plan_deletions(versions, calendar, **other) == _plan_deletions(versions, calendar) & alone


def test_days_are_those_of_utc() -> None:
    plus_two = timezone(timedelta(hours=2))
    # 2026-11-06T23:30Z and 2026-11-07T10:00Z: two days, though in +02:00 it is one.
    versions = [
        _version(1, datetime(2026, 11, 7, 1, 30, tzinfo=plus_two)),
        _version(2, datetime(2026, 11, 7, 12, 0, tzinfo=plus_two)),
    ]
    assert _plan_deletions(versions, CalendarRules(keep_daily=2)) == set()


def test_weeks_are_those_of_iso_8601() -> None:
    # Monday, 2024-12-30, to Sunday, 2025-01-05, are week 1 of 2025.
    versions = [_version(1, datetime(2024, 12, 30, tzinfo=UTC)), _version(2, datetime(2025, 1, 5, tzinfo=UTC))]
    assert _plan_deletions(versions, CalendarRules(keep_weekly=5)) == {VersionNumber(MODEL, 1)}


def test_every_decision_has_a_reason() -> None:
    versions = [_version(number, NOW - timedelta(days=3 - number, hours=1)) for number in (1, 2, 3)]
    result = plan(versions, RetentionPolicy(calendar=CalendarRules(keep_daily=2, keep_yearly=3)), NOW)
    assert [decision.reason for decision in result.decisions] == [
        "the newest version is always kept",
        "the newest of 2026-11-07 (keep_daily=2)",
        "not kept by keep_daily, keep_yearly",
    ]


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("count", [0, -1])
def test_a_count_below_one_is_refused(name: str, count: int) -> None:
    with pytest.raises(InvalidPolicyError, match=f"{name} must be at least 1; got {count}"):
        CalendarRules(**{name: count})


def test_three_years_of_versions() -> None:
    """The plan that the guide shows: a version a day for three years."""
    versions = [_version(number, NOW - timedelta(days=3 * 365 - number)) for number in range(1, 3 * 365 + 1)]
    result = plan(
        versions,
        RetentionPolicy(calendar=CalendarRules(keep_daily=7, keep_weekly=4, keep_monthly=12, keep_yearly=3)),
        NOW,
    )
    kept = [(creation_time(each.version).date().isoformat(), each.reason) for each in result.kept]
    assert len(result.to_delete) == 3 * 365 - len(kept)
    assert [day for day, _ in kept] == [
        "2026-11-08", "2026-11-07", "2026-11-06", "2026-11-05", "2026-11-04", "2026-11-03", "2026-11-02",
        "2026-11-01", "2026-10-31", "2026-10-25", "2026-10-18", "2026-09-30", "2026-08-31", "2026-07-31",
        "2026-06-30", "2026-05-31", "2026-04-30", "2026-03-31", "2026-02-28", "2026-01-31", "2025-12-31",
        "2024-12-31",
    ]  # fmt: skip
