from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_wriftai.client.pagination import PaginatedResponse
from airflow_provider_wriftai.client.references import ModelReference, VersionId, VersionNumber
from airflow_provider_wriftai.client.version import VersionRecord
from airflow_provider_wriftai.domain.watermark import Age, Watermark

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


MODEL = ModelReference("acme", "det")


def _version(number: int) -> VersionRecord:
    return VersionRecord(VersionNumber(MODEL, number), BEGAN + timedelta(number))


def _version_with_id(version_id: int, seconds: float) -> VersionRecord:
    return VersionRecord(VersionId(f"id-{version_id}"), BEGAN + timedelta(seconds=seconds))


def _watermark(known: list[VersionRecord], *, is_all: bool = False) -> Watermark:
    return Watermark.of_page(PaginatedResponse(known, None if is_all else "more", None))


numbered = st.lists(st.integers(1, 1000).map(_version), min_size=1, unique_by=lambda version: version.reference)
named = st.lists(
    st.tuples(st.integers(1, 1000), st.integers(0, 5)).map(lambda pair: _version_with_id(*pair)),
    min_size=1,
    unique_by=lambda version: version.reference,
)


@given(numbered | named, st.booleans())
def test_known_versions_are_not_newer(known: list[VersionRecord], is_all: bool) -> None:
    watermark = _watermark(known, is_all=is_all)
    assert {watermark.compare(version) for version in known} == {Age.NOT_NEWER}


@given(numbered | named)
def test_the_order_does_not_matter(known: list[VersionRecord]) -> None:
    assert _watermark(known) == _watermark(list(reversed(known)))


@given(numbered, st.integers(1, 2000))
def test_numbers_take_precedence_over_times(known: list[VersionRecord], number: int) -> None:
    is_newer = number > max(each.number or 0 for each in known)
    version = VersionRecord(VersionNumber(MODEL, number))
    assert _watermark(known).compare(version) is (Age.NEWER if is_newer else Age.NOT_NEWER)


@given(named)
def test_in_generation_1_versions_created_after_the_oldest_known_one_are_newer(known: list[VersionRecord]) -> None:
    # The times may come from two clocks, so a new version may be older than the newest known one.
    assert _watermark(known).compare(_version_with_id(1001, 5.5)) is Age.NEWER
    assert _watermark(known).compare(_version_with_id(1001, -1)) is Age.NOT_NEWER
    oldest = min(version.created_at for version in known if version.created_at is not None)
    assert _watermark(known).compare(VersionRecord(VersionId("id-1001"), oldest)) is Age.UNKNOWN


@given(numbered | named)
def test_if_all_versions_are_known_every_other_version_is_newer(known: list[VersionRecord]) -> None:
    watermark = _watermark(known, is_all=True)
    assert watermark.compare(_version_with_id(1001, -100)) is Age.NEWER
    assert watermark.compare(VersionRecord(VersionId("id-1001"))) is Age.NEWER


def test_every_version_of_a_model_that_was_empty_is_newer() -> None:
    assert _watermark([], is_all=True).compare(VersionRecord(VersionId("id-1"))) is Age.NEWER


@given(numbered | named, st.booleans())
def test_a_watermark_survives_json(known: list[VersionRecord], is_all: bool) -> None:
    watermark = _watermark(known, is_all=is_all)
    assert Watermark.from_json(json.loads(json.dumps(watermark.to_json()))) == watermark


@pytest.mark.parametrize("created_at", [None, "yesterday", "2026-01-01T00:00:00", 7])
def test_with_an_unreadable_time_the_age_is_unknown(created_at: Any) -> None:
    odd = VersionRecord.parse(VersionId("id-1"), {"created_at": created_at})
    assert _watermark([_version_with_id(2, 0)]).compare(odd) is Age.UNKNOWN
    assert _watermark([odd, _version_with_id(3, 0)]).compare(_version_with_id(2, 0)) is Age.UNKNOWN


@pytest.mark.parametrize(
    "changes",
    [
        {"number": "x"},
        {"number": True},
        {"oldest": "2026-01-01T00:00:00"},
        {"oldest": "yesterday"},
        {"known": [7]},
        {"known": None},
        {"is_all": "yes"},
    ],
)
def test_an_invalid_watermark_is_refused(changes: dict[str, Any]) -> None:
    value = _watermark([_version(1)]).to_json()
    with pytest.raises((KeyError, TypeError, ValueError)):
        Watermark.from_json({**value, **changes})
    with pytest.raises(KeyError):
        Watermark.from_json({})


@given(st.lists(st.one_of(numbered, named), min_size=2, max_size=2), st.lists(st.integers(1, 2000), max_size=20))
def test_merging_never_moves_backwards(known: list[list[VersionRecord]], numbers: list[int]) -> None:
    first, second = map(_watermark, known)
    merged = first.merge(second)
    assert merged == second.merge(first)
    assert merged.merge(first) == merged
    for version in (*known[0], *known[1], *map(_version, numbers)):
        if Age.NOT_NEWER in (first.compare(version), second.compare(version)):
            assert merged.compare(version) is not Age.NEWER
