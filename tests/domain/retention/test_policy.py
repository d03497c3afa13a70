from __future__ import annotations

import dataclasses
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_wriftai.client.references import ModelReference, VersionId, VersionNumber, VersionReference
from airflow_provider_wriftai.client.version import VersionRecord
from airflow_provider_wriftai.domain.retention.calendar import CalendarRules
from airflow_provider_wriftai.domain.retention.errors import InvalidPolicyError, UnplannableError
from airflow_provider_wriftai.domain.retention.policy import Plan, RetentionPolicy, creation_time, plan
from airflow_provider_wriftai.domain.retention.protection import Protection
from airflow_provider_wriftai.domain.retention.selectors import SelectedVersions, parse_version_selectors

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
MODEL = ModelReference("acme", "det")
DIGESTS = [f"sha256:{number:064x}" for number in range(4)]
NOTES = ["nightly", "release 1.0", "release 2.0", ""]

Versions = list[VersionRecord]


def _version(
    number: int, age: timedelta, *, numbered: bool = True, notes: str | None = "", digest: str | None = None
) -> VersionRecord:
    reference = VersionNumber(MODEL, number) if numbered else VersionId(f"id-{number:03}")
    return VersionRecord(reference, NOW - age, notes, digest)


@st.composite
def listings(draw: st.DrawFn) -> Versions:
    numbered = draw(st.booleans())
    ages = draw(st.lists(st.timedeltas(timedelta(0), timedelta(days=60)), max_size=25))
    if numbered and draw(st.booleans()):
        ages.sort(reverse=True)
    return [
        _version(
            number,
            age,
            numbered=numbered,
            notes=draw(st.sampled_from([*NOTES, None])),
            digest=draw(st.sampled_from([*DIGESTS, None])),
        )
        for number, age in enumerate(ages, start=1)
    ]


protections = st.builds(
    lambda numbers, digests, notes: Protection.read(MODEL, [*numbers, *digests], notes),
    st.lists(st.integers(1, 25) | st.integers(1, 25).map(lambda number: f"id-{number:03}"), max_size=3),
    st.lists(st.sampled_from(DIGESTS), max_size=2),
    st.none() | st.sampled_from(["release", "^nightly$", "0$"]),
)
policies = st.builds(
    lambda keep_last, older_than, protection: RetentionPolicy(
        keep_last or (None if older_than else 1), older_than, protection=protection
    ),
    st.none() | st.integers(1, 30),
    st.none() | st.timedeltas(timedelta(seconds=1), timedelta(days=60)),
    protections,
)


def _collect_deletions(result: Plan) -> set[VersionReference]:
    return {decision.version.reference for decision in result.to_delete}


def _find_newest(versions: Versions) -> VersionRecord:
    return max(versions, key=lambda version: (version.number or 0, creation_time(version), str(version.reference)))


@given(listings(), policies, st.randoms(use_true_random=False))
def test_every_plan_keeps_these_invariants(versions: Versions, policy: RetentionPolicy, chance: random.Random) -> None:
    result = plan(versions, policy, NOW)
    to_delete = _collect_deletions(result)

    assert {decision.version.reference for decision in result.decisions} == {version.reference for version in versions}
    assert len(result.to_delete) + len(result.kept) + len(result.protected) == len(versions)
    assert all(decision.reason for decision in result.decisions)
    if versions:
        assert _find_newest(versions).reference not in to_delete
    assert len(versions) - len(to_delete) >= min(policy.keep_last or 1, len(versions))
    if policy.older_than is not None:
        assert all(NOW - creation_time(decision.version) > policy.older_than for decision in result.to_delete)

    shuffled = list(versions)
    chance.shuffle(shuffled)
    assert plan(shuffled, policy, NOW) == result


@given(listings(), policies)
def test_what_is_protected_always_stays(versions: Versions, policy: RetentionPolicy) -> None:
    to_delete = _collect_deletions(plan(versions, policy, NOW))
    protection = policy.protection
    for version in versions:
        is_named = version.reference in protection.versions
        has_image = bool(protection.digests) and (version.digest is None or version.digest in protection.digests)
        has_notes = protection.release_notes is not None and (
            version.release_notes is None or protection.release_notes.search(version.release_notes)
        )
        if is_named or has_image or has_notes:
            assert version.reference not in to_delete


@given(listings(), policies, protections)
def test_more_protection_and_higher_limits_never_delete_more(
    versions: Versions, policy: RetentionPolicy, more: Protection
) -> None:
    to_delete = _collect_deletions(plan(versions, policy, NOW))
    own = policy.protection
    protected = Protection(
        SelectedVersions(own.versions.numbers | more.versions.numbers, own.versions.ids | more.versions.ids),
        own.digests | more.digests,
        own.release_notes or more.release_notes,
    )
    stricter = [
        dataclasses.replace(policy, keep_last=(policy.keep_last or 1) + 1),
        dataclasses.replace(policy, older_than=(policy.older_than or timedelta(0)) + timedelta(days=1)),
        dataclasses.replace(policy, protection=protected),
        dataclasses.replace(policy, only=more.versions),
    ]
    for other in stricter:
        assert _collect_deletions(plan(versions, other, NOW)) <= to_delete


@given(listings(), policies)
def test_looking_up_images_changes_nothing_else(versions: Versions, policy: RetentionPolicy) -> None:
    """Only versions that were kept because their image was unknown may be deleted in addition."""
    first = plan(versions, policy, NOW)
    needing = {decision.version.reference for decision in first.needing_images}
    known = [
        dataclasses.replace(version, digest=DIGESTS[0]) if version.reference in needing else version
        for version in versions
    ]
    second = plan(known, policy, NOW)
    assert _collect_deletions(first) <= _collect_deletions(second) <= _collect_deletions(first) | needing
    assert second.needing_images == ()


def test_a_worked_example() -> None:
    versions = [_version(number, timedelta(days=10 - number)) for number in range(1, 8)]
    protection = Protection.read(MODEL, ["acme/det:1"])
    result = plan(versions, RetentionPolicy(keep_last=3, older_than=timedelta(days=7), protection=protection), NOW)
    assert [(str(decision.version.reference), decision.delete, decision.reason) for decision in result.decisions] == [
        ("acme/det:7", False, "the newest version is always kept"),
        ("acme/det:6", False, "one of the newest 3"),
        ("acme/det:5", False, "one of the newest 3"),
        ("acme/det:4", False, "6d old, not older than 7d"),
        ("acme/det:3", False, "7d old, not older than 7d"),
        ("acme/det:2", True, "number 6 from the newest, 3 kept; 8d old, older than 7d"),
        ("acme/det:1", False, "protected by name"),
    ]


def test_numbers_take_precedence_over_times() -> None:
    versions = [_version(1, timedelta(days=1)), _version(2, timedelta(days=5)), _version(3, timedelta(days=9))]
    result = plan(versions, RetentionPolicy(keep_last=1), NOW)
    assert [str(decision.version.reference) for decision in result.kept] == ["acme/det:3"]


@pytest.mark.parametrize(
    ("days", "keep_last", "to_delete"),
    [
        ([1, 1, 1], 1, []),
        ([1, 1, 2], 1, [3]),
        ([1, 2, 2, 3, 3], 2, [4, 5]),
        ([1, 2, 2, 3, 3], 3, [4, 5]),
        ([1, 2, 2, 3, 3], 4, []),
    ],
)
def test_versions_with_equal_times_are_kept_or_deleted_together(
    days: list[int], keep_last: int, to_delete: list[int]
) -> None:
    versions = [_version(n, timedelta(days=age), numbered=False) for n, age in enumerate(days, start=1)]
    result = plan(versions, RetentionPolicy(keep_last=keep_last), NOW)
    assert sorted(str(decision.version.reference) for decision in result.to_delete) == [
        f"id-{number:03}" for number in to_delete
    ]


def test_versions_that_are_not_in_only_are_kept() -> None:
    versions = [_version(number, timedelta(days=10 - number)) for number in range(1, 8)]
    only = parse_version_selectors("only", MODEL, ["acme/det:1", 2, {"reference": "acme/det:7"}, 99])
    result = plan(versions, RetentionPolicy(keep_last=2, only=only), NOW)
    assert [str(decision.version.reference) for decision in result.to_delete] == ["acme/det:1", "acme/det:2"]
    assert result.kept[-1].reason == "not among the versions in 'only'"


def test_the_newest_is_kept_however_old_it_is() -> None:
    result = plan([_version(1, timedelta(days=1000))], RetentionPolicy(older_than=timedelta(days=1)), NOW)
    assert result.to_delete == ()


def test_what_is_kept_anyway_is_not_counted_as_protected() -> None:
    versions = [_version(number, timedelta(days=1)) for number in (1, 2, 3)]
    policy = RetentionPolicy(keep_last=2, protection=Protection.read(MODEL, [1, 2, 3]))
    assert [str(decision.version.reference) for decision in plan(versions, policy, NOW).protected] == ["acme/det:1"]


def test_versions_from_a_clock_that_is_a_little_ahead_are_new() -> None:
    versions = [_version(2, timedelta(minutes=-4)), _version(1, timedelta(minutes=-3))]
    policy = RetentionPolicy(older_than=timedelta(seconds=1))
    assert plan(versions, policy, NOW).to_delete == ()


@pytest.mark.parametrize("created_at", [None, datetime(1, 1, 1, tzinfo=UTC), datetime(1970, 1, 1, tzinfo=UTC)])
def test_without_a_creation_time_nothing_is_planned(created_at: datetime | None) -> None:
    broken = VersionRecord(VersionNumber(MODEL, 1), created_at)
    with pytest.raises(UnplannableError, match=r"acme/det:1 with created_at .* nothing was deleted"):
        plan([_version(2, timedelta(days=1)), broken], RetentionPolicy(keep_last=1), NOW)


def test_a_version_that_is_listed_twice_plans_nothing() -> None:
    with pytest.raises(UnplannableError, match="listed acme/det:1 twice"):
        plan([_version(1, timedelta(days=1))] * 2, RetentionPolicy(keep_last=1), NOW)


def test_numbers_and_ids_together_plan_nothing() -> None:
    versions = [_version(1, timedelta(days=1)), _version(2, timedelta(days=2), numbered=False)]
    with pytest.raises(UnplannableError, match="some by id"):
        plan(versions, RetentionPolicy(keep_last=1), NOW)


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"max_deletions": 5},
        {"protection": Protection.read(MODEL, [1])},
        {"keep_last": 0},
        {"keep_last": -1},
        {"older_than": timedelta(0)},
        {"older_than": timedelta(days=-30)},
        {"older_than": timedelta(days=365 * 101)},
        {"keep_last": 0, "older_than": timedelta(days=1)},
        {"keep_last": 1, "max_deletions": -1},
        {"calendar": CalendarRules()},
    ],
)
def test_an_invalid_policy_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(InvalidPolicyError):
        RetentionPolicy(**values)


def test_an_age_near_a_limit_is_not_formatted_as_the_limit() -> None:
    limit = timedelta(days=30)
    ages = [timedelta(0), limit - timedelta(minutes=1), limit, limit + timedelta(minutes=1)]
    versions = [_version(9 - number, age) for number, age in enumerate(ages)]
    result = plan(versions, RetentionPolicy(older_than=limit), NOW)
    assert [decision.reason for decision in result.decisions] == [
        "the newest version is always kept",
        "just under 30d old, not older than 30d",
        "30d old, not older than 30d",
        "just over 30d old, older than 30d",
    ]
