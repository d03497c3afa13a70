"""Search versions without a network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_wriftai.client.errors import NotFoundError, RequestInfo, ServerError, WriftAIError
from airflow_provider_wriftai.client.references import ModelReference, VersionNumber, VersionReference
from airflow_provider_wriftai.client.version import VersionRecord
from airflow_provider_wriftai.domain import search
from airflow_provider_wriftai.domain.sansio import Batch, Operations
from airflow_provider_wriftai.domain.search import Match, SearchResult, match_digest, search_versions

MODEL = ModelReference("acme", "det")
WANTED, OTHER = "sha256:" + "ab" * 32, "sha256:" + "cd" * 32
GET = RequestInfo("GET", "/x")


def _version(number: int, digest: str | None = None) -> VersionRecord:
    return VersionRecord(VersionNumber(MODEL, number), digest=digest)


def _drive(
    operations: Operations[SearchResult], details: Mapping[VersionReference, VersionRecord | WriftAIError]
) -> tuple[SearchResult, list[int]]:
    """Run a search, and return its result and the size of each batch."""
    batches: list[int] = []
    value: Any = None
    while True:
        try:
            step = operations.send(value)
        except StopIteration as stop:
            return stop.value, batches
        assert isinstance(step, Batch)
        batches.append(len(step.operations))
        numbers = [int(operation.path.rpartition("/")[2]) for operation in step.operations]
        value = [details[VersionNumber(MODEL, number)] for number in numbers]


digests = st.sampled_from([WANTED, OTHER, None])


@given(
    st.lists(st.tuples(digests, digests, st.booleans()), max_size=60),
    st.booleans(),
    st.integers(1, 20),
)
def test_it_finds_what_a_naive_search_finds(
    drawn: list[tuple[str | None, str | None, bool]], find_all: bool, at_once: int
) -> None:
    candidates, details, expected = [], {}, SearchResult()
    for number, (listed, detailed, exists) in enumerate(drawn, start=1):
        # Versions never change: if both contain a digest, it is the same.
        known = detailed if listed is None else listed
        candidate, detail = _version(number, listed), _version(number, known)
        candidates.append(candidate)
        details[candidate.reference] = detail if exists else NotFoundError(GET, 404, "")
        if expected.found and not find_all:
            continue
        if listed is None and not exists:
            expected.missing.append(candidate)
        elif known == WANTED:
            expected.found.append(detail)
        elif known is None:
            expected.unknown.append(detail)
    with mock.patch.object(search, "MOST_CONCURRENT", at_once):
        result, batches = _drive(search_versions(candidates, match_digest(WANTED), find_all=find_all), details)
    assert result == expected
    assert max(batches, default=0) <= at_once


def test_no_details_are_fetched_behind_a_version_that_is_known_to_match() -> None:
    candidates = [_version(5), _version(4, WANTED), _version(3), _version(2)]
    result, batches = _drive(
        search_versions(candidates, match_digest(WANTED)), {candidates[0].reference: _version(5, OTHER)}
    )
    assert result.first == candidates[1]
    assert batches == [1]


def test_an_error_of_the_service_ends_the_search() -> None:
    candidate = _version(1)
    with pytest.raises(ServerError):
        _drive(search_versions([candidate], match_digest(WANTED)), {candidate.reference: ServerError(GET, 503, "down")})


@pytest.mark.parametrize(
    ("matches", "combined"),
    [
        ((), Match.YES),
        ((Match.YES, Match.UNKNOWN), Match.UNKNOWN),
        ((Match.UNKNOWN, Match.NO), Match.NO),
        ((Match.YES, Match.YES), Match.YES),
    ],
)
def test_every_criterion_has_to_match(matches: tuple[Match, ...], combined: Match) -> None:
    assert Match.all_of(*matches) is combined
