"""The code, broken on purpose: an exploration that does not notice these explores too little."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from airflow_provider_wriftai.client.version import VersionRecord
from airflow_provider_wriftai.domain.publishing import publish as code
from airflow_provider_wriftai.domain.publishing.reconcile import reconcile
from airflow_provider_wriftai.domain.sansio import Operations
from airflow_provider_wriftai.domain.search import Match

_Search = Callable[[], Operations[VersionRecord | None]]


def _search_once(search: _Search, seconds: float, **_: Any) -> Operations[VersionRecord | None]:
    return (yield from search())


def _without_confirmation(search: _Search, seconds: float, *, clock: Callable[[], float]) -> Any:
    began = clock()

    def confirmed() -> Operations[VersionRecord | None]:
        found = yield from search()
        if found is None and clock() - began >= seconds:
            raise _NotThereError
        return found

    try:
        return (yield from reconcile(confirmed, seconds, clock=clock))
    except _NotThereError:
        return None


class _NotThereError(Exception):
    pass


def _save_only(self: Any, entry: Any) -> Operations[None]:
    self._save(entry)
    yield from ()


def _take_unknown_for_another(digest: str) -> Callable[[VersionRecord], Match]:
    return lambda version: Match.YES if version.digest == digest else Match.NO


MUTANTS: dict[str, Callable[[], Any]] = {
    "no journal": lambda: mock.patch.object(code._Publication, "_save"),
    "one search only": lambda: mock.patch.object(code, "reconcile", _search_once),
    "no second search before the create": lambda: mock.patch.object(
        code._Publication, "_confirm_and_store", _save_only
    ),
    "no confirmation of the last search": lambda: mock.patch.object(code, "reconcile", _without_confirmation),
    "one 404 counts": lambda: mock.patch.object(code, "_MOST_LOOKS", 1),
    "an unknown image is another one": lambda: mock.patch.object(code, "match_digest", _take_unknown_for_another),
}
"""Mutants by name."""


@contextmanager
def mutated(name: str) -> Iterator[None]:
    """Break the code."""
    with MUTANTS[name]():
        yield
