from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from airflow_provider_wriftai.client.summary import VersionSummary
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_wriftai.client.common_types import Version
from airflow_provider_wriftai.client.pagination import PaginatedResponse
from airflow_provider_wriftai.domain.watermark import Watermark

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


def _numbered(number: int) -> Version:
    return {"reference": f"acme/det:{number}", "number": number, "created_at": (BEGAN + timedelta(number)).isoformat()}


def _named(version_id: int, seconds: float) -> Version:
    return {"reference": f"id-{version_id}", "created_at": (BEGAN + timedelta(seconds=seconds)).isoformat()}


def _watermark(known: list[Version], *, is_all: bool = False) -> Watermark:
    return Watermark.of(PaginatedResponse(known, None if is_all else "more", None))


numbered = st.lists(st.integers(1, 1000).map(_numbered), min_size=1, unique_by=lambda version: version["reference"])
named = st.lists(
    st.tuples(st.integers(1, 1000), st.integers(0, 5)).map(lambda pair: _named(*pair)),
    min_size=1,
    unique_by=lambda version: version["reference"],
)


@given(numbered | named, st.booleans())
def test_what_was_known_is_not_newer(known: list[Version], is_all: bool) -> None:
    watermark = _watermark(known, is_all=is_all)
    assert not any(watermark.is_below(VersionSummary.of(version)) for version in known)


@given(numbered | named)
def test_the_order_does_not_matter(known: list[Version]) -> None:
    assert _watermark(known) == _watermark(list(reversed(known)))


@given(numbered, st.integers(1, 2000))
def test_the_number_tells_whatever_the_time(known: list[Version], number: int) -> None:
    version: Version = {"reference": f"acme/det:{number}", "number": number, "created_at": "long ago"}
    assert _watermark(known).is_below(VersionSummary.of(version)) is (number > max(each["number"] for each in known))


@given(named)
def test_in_generation_1_what_was_made_after_the_oldest_that_is_known_is_newer(known: list[Version]) -> None:
    # Two clocks may make the times: what is new need not be newer than the newest.
    assert _watermark(known).is_below(VersionSummary.of(_named(1001, 5.5))) is True
    assert _watermark(known).is_below(VersionSummary.of(_named(1001, -1))) is False
    oldest = min(version["created_at"] for version in known)
    assert _watermark(known).is_below(VersionSummary.of({"reference": "id-1001", "created_at": oldest})) is None


@given(numbered | named)
def test_where_all_are_known_whatever_is_not_is_newer(known: list[Version]) -> None:
    watermark = _watermark(known, is_all=True)
    assert watermark.is_below(VersionSummary.of(_named(1001, -100))) is True
    assert watermark.is_below(VersionSummary.of({"reference": "id-1001"})) is True


def test_whatever_comes_into_an_empty_model_is_newer() -> None:
    assert (
        _watermark([], is_all=True).is_below(VersionSummary.of({"reference": "id-1", "created_at": "no time"})) is True
    )


@given(numbered | named, st.booleans())
def test_it_comes_back_from_json_as_it_was(known: list[Version], is_all: bool) -> None:
    watermark = _watermark(known, is_all=is_all)
    assert Watermark.from_json(json.loads(json.dumps(watermark.to_json()))) == watermark


@pytest.mark.parametrize("created_at", [None, "yesterday", "2026-01-01T00:00:00", 7])
def test_a_time_that_cannot_be_read_tells_nothing(created_at: Any) -> None:
    odd: Version = {"reference": "id-1", "created_at": created_at}
    assert _watermark([_named(2, 0)]).is_below(VersionSummary.of(odd)) is None
    assert _watermark([odd, _named(3, 0)]).is_below(VersionSummary.of(_named(2, 0))) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"number": "x"},
        {"oldest": "yesterday"},
        {"known": [7]},
        {"known": None},
        {"is_all": "yes"},
    ],
)
def test_what_is_no_watermark_is_told(changes: dict[str, Any]) -> None:
    written = _watermark([_numbered(1)]).to_json()
    with pytest.raises((KeyError, TypeError, ValueError)):
        Watermark.from_json({**written, **changes})
    with pytest.raises(KeyError):
        Watermark.from_json({})
