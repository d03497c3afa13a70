from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_wriftai.client.common_types import Version
from airflow_provider_wriftai.retention.errors import InvalidPolicyError, UnplannableError
from airflow_provider_wriftai.retention.policy import RetentionPolicy, plan, read_age

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)

policies = st.builds(
    lambda keep_last, older_than: RetentionPolicy(keep_last or (None if older_than else 1), older_than),
    st.none() | st.integers(1, 30),
    st.none() | st.timedeltas(timedelta(seconds=1), timedelta(days=60)),
)


def _version(number: int, age: timedelta, *, numbered: bool = True) -> Version:
    version: dict[str, Any] = {"created_at": (NOW - age).isoformat()}
    if numbered:
        version |= {"reference": f"acme/det:{number}", "number": number}
    else:
        version |= {"reference": f"id-{number:03}", "id": f"id-{number:03}"}
    return version  # type: ignore[return-value]


@st.composite
def listings(draw: st.DrawFn) -> list[Version]:
    numbered = draw(st.booleans())
    ages = draw(st.lists(st.timedeltas(timedelta(0), timedelta(days=60)), max_size=25))
    if numbered:
        ages.sort(reverse=True)
    return [_version(number, age, numbered=numbered) for number, age in enumerate(ages, start=1)]


def _newest(versions: list[Version]) -> Version:
    return max(versions, key=lambda version: (version.get("number", 0), version["created_at"], version["reference"]))


@given(listings(), policies, st.randoms(use_true_random=False))
def test_what_always_holds(versions: list[Version], policy: RetentionPolicy, chance: random.Random) -> None:
    decided = plan(versions, policy, NOW)
    going = {verdict.reference for verdict in decided.going}

    assert {verdict.reference for verdict in decided.verdicts} == {version["reference"] for version in versions}
    assert all(verdict.reason for verdict in decided.verdicts)
    if versions:
        assert _newest(versions)["reference"] not in going
    assert len(decided.staying) >= min(policy.keep_last or 1, len(versions))
    if policy.older_than is not None:
        assert all(NOW - verdict.created_at > policy.older_than for verdict in decided.going)

    shuffled = list(versions)
    chance.shuffle(shuffled)
    assert plan(shuffled, policy, NOW) == decided


@given(listings(), policies)
def test_keeping_more_never_deletes_more(versions: list[Version], policy: RetentionPolicy) -> None:
    going = {verdict.reference for verdict in plan(versions, policy, NOW).going}
    stricter = [
        RetentionPolicy((policy.keep_last or 1) + 1, policy.older_than),
        RetentionPolicy(policy.keep_last, (policy.older_than or timedelta(0)) + timedelta(days=1)),
    ]
    for other in stricter:
        assert {verdict.reference for verdict in plan(versions, other, NOW).going} <= going


def test_a_worked_example() -> None:
    versions = [_version(number, timedelta(days=10 - number)) for number in range(1, 8)]
    decided = plan(versions, RetentionPolicy(keep_last=3, older_than=timedelta(days=7)), NOW)
    assert [(verdict.reference, verdict.goes, verdict.reason) for verdict in decided.verdicts] == [
        ("acme/det:7", False, "the newest version always stays"),
        ("acme/det:6", False, "one of the newest 3"),
        ("acme/det:5", False, "one of the newest 3"),
        ("acme/det:4", False, "6d old, not older than 7d"),
        ("acme/det:3", False, "7d old, not older than 7d"),
        ("acme/det:2", True, "number 6 from the newest, 3 are kept; 8d old, older than 7d"),
        ("acme/det:1", True, "number 7 from the newest, 3 are kept; 9d old, older than 7d"),
    ]
    assert [verdict.reference for verdict in decided.going] == ["acme/det:1", "acme/det:2"]


def test_the_number_counts_where_there_is_one_and_not_the_time() -> None:
    versions = [_version(1, timedelta(days=1)), _version(2, timedelta(days=5)), _version(3, timedelta(days=9))]
    decided = plan(versions, RetentionPolicy(keep_last=1), NOW)
    assert [verdict.reference for verdict in decided.staying] == ["acme/det:3"]


def test_the_newest_stays_however_old_it_is() -> None:
    decided = plan([_version(1, timedelta(days=1000))], RetentionPolicy(older_than=timedelta(days=1)), NOW)
    assert decided.going == ()


@pytest.mark.parametrize(
    "created_at", [None, "", "yesterday", 1764000000, "2026-11-01T12:00:00", "2026-13-01T00:00:00Z"]
)
def test_a_time_that_cannot_be_read_plans_nothing(created_at: Any) -> None:
    broken: Any = {"reference": "acme/det:1", "number": 1, "created_at": created_at}
    with pytest.raises(UnplannableError, match="nothing was deleted"):
        plan([_version(2, timedelta(days=1)), broken], RetentionPolicy(keep_last=1), NOW)


@pytest.mark.parametrize(
    "created_at", ["2026-10-01T00:00:00Z", "2026-10-01T00:00:00.371093Z", "2026-10-01T02:00:00+02:00"]
)
def test_the_times_that_the_service_writes_are_read(created_at: str) -> None:
    version: Any = {"reference": "acme/det:1", "number": 1, "created_at": created_at}
    (verdict,) = plan([version], RetentionPolicy(keep_last=1), NOW).verdicts
    assert verdict.created_at.astimezone(UTC).date().isoformat() == "2026-10-01"


def test_a_version_that_is_listed_twice_plans_nothing() -> None:
    with pytest.raises(UnplannableError, match="twice"):
        plan([_version(1, timedelta(days=1))] * 2, RetentionPolicy(keep_last=1), NOW)


@pytest.mark.parametrize(
    ("keep_last", "older_than"),
    [(None, None), (0, None), (-1, None), (None, timedelta(0)), (None, timedelta(days=-30)), (0, timedelta(days=1))],
)
def test_a_policy_that_cannot_be_meant(keep_last: int | None, older_than: timedelta | None) -> None:
    with pytest.raises(InvalidPolicyError):
        RetentionPolicy(keep_last, older_than)


@pytest.mark.parametrize(
    ("text", "age"),
    [
        ("30d", timedelta(days=30)),
        (" 2w ", timedelta(weeks=2)),
        ("36h", timedelta(hours=36)),
        ("90m", timedelta(minutes=90)),
        ("45s", timedelta(seconds=45)),
        ("7 d", timedelta(days=7)),
    ],
)
def test_ages(text: str, age: timedelta) -> None:
    assert read_age(text) == age


@pytest.mark.parametrize("text", ["", "30", "d", "-30d", "1.5d", "30 days", "30D", "1d12h", "9" * 20 + "w", "٣d"])
def test_no_ages(text: str) -> None:
    with pytest.raises(InvalidPolicyError):
        read_age(text)


@pytest.mark.parametrize("number", ["10", True, False, 0, -3, 1.5, None])
def test_a_number_that_is_none_does_not_count(number: Any) -> None:
    newest: Any = {"reference": "id-new", "id": "id-new", "number": number, "created_at": "2026-10-02T00:00:00Z"}
    older: Any = {"reference": "id-old", "id": "id-old", "number": "9", "created_at": "2026-10-01T00:00:00Z"}
    decided = plan([older, newest], RetentionPolicy(keep_last=1), NOW)
    assert [verdict.reference for verdict in decided.staying] == ["id-new"]


def test_numbers_and_ids_together_plan_nothing() -> None:
    versions = [_version(1, timedelta(days=1)), _version(2, timedelta(days=2), numbered=False)]
    with pytest.raises(UnplannableError, match="some by id"):
        plan(versions, RetentionPolicy(keep_last=1), NOW)
