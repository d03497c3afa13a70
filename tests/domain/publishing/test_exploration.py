"""A part of the exploration by ``chaos.explorer``: every single fault, and mutants that it must notice."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from chaos.explorer.explore import Case, full_cases, quick_cases
from chaos.explorer.mutants import MUTANTS, mutated
from chaos.explorer.nemesis import Nemesis


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("case", quick_cases(), ids=str)
def test_no_single_fault_makes_a_second_version_or_loses_one(case: Case) -> None:
    found = case.explore()
    assert found.schedules > 15
    assert found.violations == []


@pytest.mark.parametrize(
    "case",
    [
        case
        for case in full_cases()
        if (case.configuration.generation, case.configuration.digests) == (2, "lists")
        and case.configuration.has_store
        and (case.depth, case.publishers) in ((2, 1), (2, 3))
    ],
    ids=str,
)
def test_no_two_faults_make_a_second_version_or_lose_one(case: Case) -> None:
    assert case.explore().violations == []


@pytest.mark.parametrize("mutant", MUTANTS)
def test_the_exploration_notices_broken_code(mutant: str) -> None:
    with mutated(mutant):
        assert any(
            Case(case.configuration, depth).explore(stop_at_first=True).violations
            for depth in (1, 2)
            for case in quick_cases()
        )


def test_without_deleting_duplicates_the_exploration_finds_them() -> None:
    (case, *_) = [case for case in full_cases() if case.publishers == 2]
    keep = type(case.configuration)("reuse", has_store=True, generation=2, digests="lists")
    assert Case(keep, 1, publishers=2).explore(stop_at_first=True).violations


def test_schedules_extend_each_other() -> None:
    nemesis = Nemesis(((1, "b"),))
    assert [nemesis.choose(["a"]), nemesis.choose(["a", "b"]), nemesis.choose(["c"])] == ["", "b", ""]
    assert list(nemesis.extensions()) == [((1, "b"), (2, "c"))]
