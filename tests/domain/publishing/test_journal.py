"""Journal entries survive the state store, and everything else is refused."""

from __future__ import annotations

import json
from datetime import UTC
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_wriftai.client.references import ModelReference, VersionId, VersionNumber
from airflow_provider_wriftai.domain.publishing.journal import JournalEntry
from airflow_provider_wriftai.domain.watermark import Watermark

MODEL = ModelReference("acme", "det")
DIGEST = "sha256:" + "ab" * 32

numbers = st.integers(1, 10**9).map(lambda number: VersionNumber(MODEL, number))
ids = st.uuids().map(lambda each: VersionId(str(each)))
watermarks = st.builds(
    Watermark,
    known=st.frozensets(ids, max_size=10),
    is_all=st.booleans(),
    number=st.none() | st.integers(1, 10**9),
    oldest=st.none() | st.datetimes(timezones=st.just(UTC)),
)
entries = st.builds(
    JournalEntry,
    service=st.just("https://api.wrift.ai/v1"),
    model=st.just(MODEL),
    digest=st.just(DIGEST),
    release_notes=st.text(st.characters(exclude_categories=["Cs"])),
    watermark=watermarks,
    reference=st.none() | numbers | ids,
)

ENTRY = JournalEntry("https://api.wrift.ai/v1", MODEL, DIGEST, "new", Watermark(number=2, is_all=True))


@given(entries)
def test_an_entry_survives_the_store(entry: JournalEntry) -> None:
    assert JournalEntry.from_json(json.loads(json.dumps(entry.to_json(), allow_nan=False))) == entry


@given(entries, numbers | ids)
def test_resolving_an_entry_changes_only_its_version(entry: JournalEntry, reference: VersionNumber | VersionId) -> None:
    assert entry.resolve(reference).reference == reference
    assert {**entry.resolve(reference).to_json(), "reference": None} == {**entry.to_json(), "reference": None}


@pytest.mark.parametrize("missing", sorted(ENTRY.to_json()))
def test_an_entry_that_lacks_something_is_refused(missing: str) -> None:
    value = ENTRY.to_json()
    del value[missing]
    with pytest.raises(ValueError, match="its format None" if missing == "format" else f"KeyError: '{missing}'"):
        JournalEntry.from_json(value)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("x", "it is of type str instead of an object"),
        ([], "it is of type list instead of an object"),
        (None, "it is of type NoneType instead of an object"),
        ({**ENTRY.to_json(), "format": 2}, "this release does not know its format 2"),
        ({**ENTRY.to_json(), "model": "acme"}, "incomplete or damaged"),
        ({**ENTRY.to_json(), "model": 7}, "incomplete or damaged"),
        ({**ENTRY.to_json(), "reference": ""}, "incomplete or damaged"),
        ({**ENTRY.to_json(), "watermark": []}, "incomplete or damaged"),
    ],
)
def test_anything_but_an_entry_is_refused_with_the_reason(value: Any, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        JournalEntry.from_json(value)
