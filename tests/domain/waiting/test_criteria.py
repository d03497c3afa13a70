from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_wriftai.client.references import ModelReference, VersionId, VersionNumber
from airflow_provider_wriftai.client.version import VersionRecord
from airflow_provider_wriftai.domain.patterns import InvalidPatternError
from airflow_provider_wriftai.domain.search import Match
from airflow_provider_wriftai.domain.waiting.criteria import (
    START,
    Criteria,
    ResolvedCriteria,
    Start,
    read_newer_than,
    read_pattern,
)
from airflow_provider_wriftai.domain.waiting.errors import InvalidCriteriaError
from airflow_provider_wriftai.domain.watermark import Watermark

MODEL = ModelReference("acme", "det")
CREATED = datetime(2026, 1, 1, tzinfo=UTC)
DIGESTS = [f"sha256:{number:064x}" for number in range(3)]


def _number(number: int) -> Watermark:
    return Watermark(frozenset(), is_all=False, number=number, oldest=None)


def _time(time: datetime) -> Watermark:
    return Watermark(frozenset(), is_all=False, number=None, oldest=time)


def _version(number: int, notes: str | None = "x", digest: str | None = None) -> VersionRecord:
    return VersionRecord(VersionNumber(MODEL, number), CREATED + timedelta(days=number), notes, digest)


watermarks = st.one_of(
    st.integers(0, 20).map(_number),
    st.integers(0, 20).map(lambda days: _time(CREATED + timedelta(days=days, hours=1))),
)
criteria_values = st.builds(
    lambda digest, newer_than, notes: (digest, newer_than, notes),
    st.none() | st.sampled_from(DIGESTS),
    st.none() | watermarks,
    st.none() | st.sampled_from(["release", "^x$"]),
).filter(any)
versions = st.builds(
    _version, st.integers(1, 20), st.none() | st.sampled_from(["x", "release 1"]), st.none() | st.sampled_from(DIGESTS)
)


def _criteria(digest: str | None, newer_than: Watermark | None, notes: str | None) -> Criteria:
    return Criteria(
        model=MODEL, digest=digest, newer_than=newer_than, release_notes=read_pattern(notes) if notes else None
    )


def _resolved(digest: str | None, newer_than: Watermark | None, notes: str | None) -> ResolvedCriteria:
    return ResolvedCriteria(_criteria(digest, newer_than, notes), newer_than)


@given(criteria_values, versions)
def test_every_criterion_has_to_match(values: Any, version: VersionRecord) -> None:
    digest, newer_than, notes = values
    alone = [
        _resolved(*each).match(version)
        for each in ((digest, None, None), (None, newer_than, None), (None, None, notes))
        if any(each)
    ]
    assert _resolved(digest, newer_than, notes).match(version) is Match.all_of(*alone)


@given(criteria_values)
def test_criteria_survive_json(values: Any) -> None:
    criteria = _criteria(*values)
    assert Criteria.from_json(json.loads(json.dumps(criteria.to_json()))) == criteria


@pytest.mark.parametrize(
    ("criteria", "text"),
    [
        (Criteria(version=VersionNumber(MODEL, 7)), "acme/det:7"),
        (Criteria(version=VersionId("some-id")), "some-id"),
        (Criteria(model=MODEL, newer_than=START), "a version of acme/det newer than the start of the wait"),
        (Criteria(model=MODEL, newer_than=Start(CREATED)), "a version of acme/det newer than the start of the wait"),
        (Criteria(model=MODEL, newer_than=VersionId("a")), "a version of acme/det newer than a"),
        (Criteria(model=MODEL, newer_than=_number(3)), "a version of acme/det newer than number 3"),
        (
            Criteria(model=MODEL, digest=DIGESTS[0], release_notes=read_pattern("rel")),
            f"a version of acme/det with the image {DIGESTS[0]} whose release notes match 'rel'",
        ),
        (
            Criteria(model=MODEL, newer_than=_time(CREATED)),
            "a version of acme/det newer than 2026-01-01T00:00:00+00:00",
        ),
    ],
)
def test_criteria_are_described_as_text(criteria: Criteria, text: str) -> None:
    assert str(criteria) == text
    assert Criteria.from_json(json.loads(json.dumps(criteria.to_json()))) == criteria


def test_a_missing_field_makes_a_match_unknown() -> None:
    assert _resolved(DIGESTS[0], None, None).match(_version(1, digest=None)) is Match.UNKNOWN
    assert _resolved(None, None, "rel").match(_version(1, notes=None)) is Match.UNKNOWN
    assert _resolved(DIGESTS[0], None, "rel").match(_version(1, notes="x", digest=None)) is Match.NO


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "Nothing to wait for"),
        ({"model": MODEL}, "No criterion for the version of acme/det"),
        ({"digest": DIGESTS[0]}, "Nothing to wait for"),
        ({"version": VersionNumber(MODEL, 7), "newer_than": START}, "no further criteria"),
        ({"model": MODEL, "digest": "latest"}, "must be a digest .*'latest'"),
    ],
)
def test_invalid_criteria_are_refused(values: Any, message: str) -> None:
    with pytest.raises(InvalidCriteriaError, match=message):
        Criteria(**values)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("start", START),
        (" start ", START),
        (7, _number(7)),
        (0, _number(0)),
        ("7", _number(7)),
        ("acme/det:7", _number(7)),
        ({"reference": "acme/det:7", "release_notes": "as a task returned it"}, _number(7)),
        ("5b1f0c8e-0000-4000-8000-000000000000", VersionId("5b1f0c8e-0000-4000-8000-000000000000")),
        ({"reference": "some-id"}, VersionId("some-id")),
        ("2026-01-01T00:00:00Z", _time(CREATED)),
        ("2026-01-01 02:00:00+02:00", _time(CREATED)),
        (CREATED, _time(CREATED)),
        (CREATED.astimezone(timezone(timedelta(hours=2))), _time(CREATED)),
    ],
)
def test_valid_values_of_newer_than_are_read(value: Any, expected: Any) -> None:
    assert read_newer_than(MODEL, value) == expected


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "newer_than must be"),
        ("", "newer_than must be"),
        ("None", "newer_than must be"),
        (True, "newer_than must be"),
        (-1, "newer_than must be"),
        (1.5, "newer_than must be"),
        (10**30, "newer_than must be"),
        ({}, "newer_than must be"),
        (["acme/det:7"], "newer_than must be"),
        ("acme/det", "newer_than must be"),
        ("acme/det:zero", "newer_than must be"),
        ("other/det:7", "a version of acme/det; got other/det:7"),
        ("2026-01-01", "must have a time zone"),
        (CREATED.replace(tzinfo=None), "must have a time zone"),
    ],
)
def test_invalid_values_of_newer_than_are_refused(value: Any, message: str) -> None:
    with pytest.raises(InvalidCriteriaError, match=message):
        read_newer_than(MODEL, value)


@pytest.mark.parametrize("pattern", ["(", "[z-a]", "a{99999999999999999999}"])
def test_an_invalid_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(InvalidPatternError, match="must be a regular expression"):
        read_pattern(pattern)


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"model": "acme/det"},
        {"model": "acme", "newer_than": "start"},
        {"version": 7},
        {"version": "acme/det"},
        {"model": "acme/det", "newer_than": {"number": 7}},
        {"model": "acme/det", "newer_than": 7},
        {"model": "acme/det", "release_notes": "("},
        {"model": "acme/det", "digest": 7},
        {"model": "acme/det", "newer_than": {"start": "2026-01-01T00:00:00"}},
        {"model": "acme/det", "newer_than": {"start": 7}},
        {"model": "acme/det", "digest": DIGESTS[0], "min_size": "a criterion of a later version"},
        7,
    ],
)
def test_criteria_from_invalid_json_are_refused(value: Any) -> None:
    with pytest.raises(InvalidCriteriaError):
        Criteria.from_json(value)


@given(criteria_values)
def test_resolved_criteria_stay_resolved(values: Any) -> None:
    digest, newer_than, notes = values
    resolved = _resolved(digest, newer_than, notes)
    assert resolved.as_criteria() == resolved.criteria
    started = ResolvedCriteria(Criteria(model=MODEL, newer_than=START), _number(3))
    assert started.as_criteria() == Criteria(model=MODEL, newer_than=_number(3))
