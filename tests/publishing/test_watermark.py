from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_wriftai.client.common_types import Version
from airflow_provider_wriftai.publishing.watermark import Watermark

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


def _numbered(number: int) -> Version:
    return {"reference": f"acme/det:{number}", "number": number, "created_at": (BEGAN + timedelta(number)).isoformat()}


def _named(version_id: int, seconds: float) -> Version:
    return {"reference": f"id-{version_id}", "created_at": (BEGAN + timedelta(seconds=seconds)).isoformat()}


numbered = st.lists(st.integers(1, 1000).map(_numbered), unique_by=lambda version: version["reference"])
named = st.lists(
    st.tuples(st.integers(1, 1000), st.integers(0, 5)).map(lambda pair: _named(*pair)),
    unique_by=lambda version: version["reference"],
)


@given(numbered | named)
def test_what_was_known_is_not_newer(known: list[Version]) -> None:
    watermark = Watermark.of(known)
    assert not any(watermark.is_below(version) for version in known)


@given(numbered | named)
def test_the_order_does_not_matter(known: list[Version]) -> None:
    assert Watermark.of(known) == Watermark.of(list(reversed(known)))


@given(numbered)
def test_a_higher_number_is_newer_whatever_its_time(known: list[Version]) -> None:
    newer: Version = {"reference": "acme/det:1001", "number": 1001, "created_at": "long ago"}
    assert Watermark.of(known).is_below(newer)


@given(named)
def test_in_generation_1_the_time_tells(known: list[Version]) -> None:
    assert Watermark.of(known).is_below(_named(1001, 5))
    assert Watermark.of(known).is_below(_named(1001, -1)) == (not known)


@given(numbered | named)
def test_it_comes_back_from_json_as_it_was(known: list[Version]) -> None:
    watermark = Watermark.of(known)
    assert Watermark.from_json(json.loads(json.dumps(watermark.to_json()))) == watermark


@pytest.mark.parametrize("created_at", [None, "yesterday", "2026-01-01T00:00:00", 7])
def test_in_doubt_nothing_is_newer(created_at: Any) -> None:
    odd: Version = {"reference": "id-1", "created_at": created_at}
    assert not Watermark.of([_named(2, 0)]).is_below(odd)
    assert not Watermark.of([odd]).is_below(_named(2, 0))


@pytest.mark.parametrize(
    "written",
    [
        {},
        {"number": "x", "created_at": None, "references": []},
        {"number": 1, "created_at": "yesterday", "references": []},
        {"number": 1, "created_at": None, "references": [7]},
        {"number": 1, "created_at": None, "references": None},
    ],
)
def test_what_is_no_watermark_is_told(written: Any) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        Watermark.from_json(written)
