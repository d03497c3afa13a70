from __future__ import annotations

import pytest

from airflow_provider_wriftai.client.errors import PaginationError
from airflow_provider_wriftai.client.pagination import PaginatedResponse, PaginationOptions, every_page


def test_a_cursor_that_comes_twice_ends_the_walk() -> None:
    def fetch(options: PaginationOptions) -> PaginatedResponse[int]:
        following = {"a": "b", "b": "a"}.get(options.get("cursor", ""), "a")
        return PaginatedResponse([1], next_cursor=following, previous_cursor=None)

    walk = every_page(fetch)
    assert [next(walk).next_cursor for _ in range(3)] == ["a", "b", "a"]
    with pytest.raises(PaginationError, match="already read"):
        next(walk)


def test_a_page_that_fails_ends_the_walk_with_its_error() -> None:
    def fetch(options: PaginationOptions) -> PaginatedResponse[int]:
        if "cursor" in options:
            raise ConnectionError("gone")
        return PaginatedResponse([1], next_cursor="a", previous_cursor=None)

    walk = every_page(fetch)
    next(walk)
    with pytest.raises(ConnectionError):
        next(walk)
