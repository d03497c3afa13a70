"""Break the code on purpose, to check that the exploration notices."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import ModuleType
from typing import Any
from unittest import mock

from airflow_provider_wriftai.client.version import VersionRecord
from airflow_provider_wriftai.domain.publishing import adopt, create, duplicates, earlier_tries, search
from airflow_provider_wriftai.domain.publishing.journal import JournalEntry
from airflow_provider_wriftai.domain.publishing.publication import Publication
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
            raise LookupError
        return found

    try:
        return (yield from reconcile(confirmed, seconds, clock=clock))
    except LookupError:
        return None


def _save_only(publication: Publication, entry: JournalEntry) -> Operations[None]:
    publication.save(entry)
    yield from ()


def _treat_unknown_as_other(digest: str) -> Callable[[VersionRecord], Match]:
    return lambda version: Match.YES if version.digest == digest else Match.NO


@contextmanager
def _replaced(name: str, replacement: Any, *modules: ModuleType) -> Iterator[None]:
    """Replace a name in all modules that import it."""
    with ExitStack() as stack:
        for module in modules:
            stack.enter_context(mock.patch.object(module, name, replacement))
        yield


MUTANTS: dict[str, Callable[[], Any]] = {
    "no journal": lambda: mock.patch.object(Publication, "save"),
    "one search only": lambda: _replaced("reconcile", _search_once, search, adopt),
    "no second search before the create": lambda: _replaced("_confirm_and_store", _save_only, create),
    "no confirmation of the last search": lambda: _replaced("reconcile", _without_confirmation, search, adopt),
    "one 404 counts": lambda: _replaced("MOST_CHECKS", 1, search, earlier_tries),
    "an unknown image is another one": lambda: _replaced("match_digest", _treat_unknown_as_other, search, duplicates),
}
"""Mutants by name."""


@contextmanager
def mutated(name: str) -> Iterator[None]:
    """Apply a mutant during a block."""
    with MUTANTS[name]():
        yield
