from __future__ import annotations

import itertools

import pytest

from airflow_provider_wriftai.client.errors import PaginationError
from airflow_provider_wriftai.client.pagination import PaginatedResponse, PaginationOptions, iterate_pages


def test_a_repeated_cursor_ends_the_iteration() -> None:
    def fetch(options: PaginationOptions) -> PaginatedResponse[int]:
        following = {"a": "b", "b": "a"}.get(options.get("cursor", ""), "a")
        return PaginatedResponse([1], next_cursor=following, previous_cursor=None)

    pages = iterate_pages(fetch)
    assert [next(pages).next_cursor for _ in range(3)] == ["a", "b", "a"]
    with pytest.raises(PaginationError, match="read before"):
        next(pages)


def test_a_page_that_fails_ends_the_iteration_with_its_error() -> None:
    def fetch(options: PaginationOptions) -> PaginatedResponse[int]:
        if "cursor" in options:
            raise ConnectionError("gone")
        return PaginatedResponse([1], next_cursor="a", previous_cursor=None)

    pages = iterate_pages(fetch)
    next(pages)
    with pytest.raises(ConnectionError):
        next(pages)


@pytest.mark.parametrize(("items", "pages", "problem"), [([], 20, "one empty page"), ([1], 20_001, "did not end")])
def test_an_endless_list_is_an_error(items: list[int], pages: int, problem: str) -> None:
    cursors = itertools.count()
    fetched = 0

    def fetch(_: PaginationOptions) -> PaginatedResponse[int]:
        nonlocal fetched
        fetched += 1
        return PaginatedResponse(items=items, next_cursor=f"c{next(cursors)}", previous_cursor=None)

    with pytest.raises(PaginationError, match=problem):
        for _ in iterate_pages(fetch):
            pass
    assert fetched == pages
