"""Search versions by details that lists may leave out: shared by publishing and waiting."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias

from airflow_provider_wriftai.client import endpoints
from airflow_provider_wriftai.client.errors import NotFoundError, WriftAIError
from airflow_provider_wriftai.client.references import VersionReference
from airflow_provider_wriftai.client.version import VersionRecord
from airflow_provider_wriftai.domain.sansio import MOST_CONCURRENT, Batch, Operations


class Match(Enum):
    """Whether a version is what is searched for."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"
    """It depends on something that is not known of the version."""

    @classmethod
    def all_of(cls, *matches: Match) -> Match:
        """Combine criteria of which every one has to match."""
        if cls.NO in matches:
            return cls.NO
        return cls.UNKNOWN if cls.UNKNOWN in matches else cls.YES


Matcher: TypeAlias = Callable[[VersionRecord], Match]
FetchDetails: TypeAlias = Callable[[Sequence[VersionReference]], Operations[list[VersionRecord | None]]]


@dataclass(slots=True)
class SearchResult:
    """The result of a search.

    Attributes:
        found: The versions that match, in the order in which they were searched.
        unknown: Versions for which neither the list nor the details say enough.
        missing: Versions that the list has, but whose details do not exist (404): deleted, or too new.
    """

    found: list[VersionRecord] = field(default_factory=list)
    unknown: list[VersionRecord] = field(default_factory=list)
    missing: list[VersionRecord] = field(default_factory=list)

    @property
    def first(self) -> VersionRecord | None:
        """The first version that matches, if any does."""
        return self.found[0] if self.found else None


def match_digest(digest: str) -> Matcher:
    """Return a matcher for the versions of an image."""

    def match(version: VersionRecord) -> Match:
        if version.digest is None:
            return Match.UNKNOWN
        return Match.YES if version.digest == digest else Match.NO

    return match


def search_versions(
    candidates: Iterable[VersionRecord],
    match: Matcher,
    *,
    find_all: bool = False,
    details_of: FetchDetails | None = None,
) -> Operations[SearchResult]:
    """Search versions in the given order.

    Details are fetched only where the list does not suffice, several at once. They are merged with what the list says.

    Args:
        candidates: The versions, as lists show them.
        match: Decides about one version; it is called again with the details if it returns ``UNKNOWN``.
        find_all: Whether to go on after the first version that matches.
        details_of: Fetches details; by default from the service.

    Raises:
        WriftAIError: Details could not be fetched, for another reason than that the version does not exist.
    """
    fetch = details_of or fetch_details
    result = SearchResult()
    verdicts = [(candidate, verdict) for candidate in candidates if (verdict := match(candidate)) is not Match.NO]
    while verdicts:
        chunk = _next_chunk(verdicts)
        del verdicts[: len(chunk)]
        unknown = [candidate for candidate, verdict in chunk if verdict is Match.UNKNOWN]
        fetched = (yield from fetch([candidate.reference for candidate in unknown])) if unknown else []
        details = dict(zip((candidate.reference for candidate in unknown), fetched, strict=True))
        for candidate, verdict in chunk:
            _evaluate(candidate, verdict, details.get(candidate.reference), match, result)
            if result.found and not find_all:
                return result
    return result


def _next_chunk(verdicts: Sequence[tuple[VersionRecord, Match]]) -> list[tuple[VersionRecord, Match]]:
    """Take versions up to the first that is known to match, but no more that need details than are fetched at once."""
    chunk: list[tuple[VersionRecord, Match]] = []
    unknown = 0
    for candidate, verdict in verdicts:
        unknown += verdict is Match.UNKNOWN
        if unknown > MOST_CONCURRENT:
            break
        chunk.append((candidate, verdict))
        if verdict is Match.YES:
            break
    return chunk


def _evaluate(
    candidate: VersionRecord, verdict: Match, details: VersionRecord | None, match: Matcher, result: SearchResult
) -> None:
    if verdict is Match.UNKNOWN:
        if details is None:
            result.missing.append(candidate)
            return
        candidate = candidate.merge(details)
        verdict = match(candidate)
    if verdict is Match.YES:
        result.found.append(candidate)
    elif verdict is Match.UNKNOWN:
        result.unknown.append(candidate)


def fetch_details(references: Sequence[VersionReference]) -> Operations[list[VersionRecord | None]]:
    """Fetch the details of versions; None for each that does not exist.

    Raises:
        WriftAIError: The details of one could not be fetched.
    """
    results = yield Batch([endpoints.get_version(reference) for reference in references])
    details: list[VersionRecord | None] = []
    for result in results:
        if isinstance(result, WriftAIError) and not isinstance(result, NotFoundError):
            raise result
        details.append(result if isinstance(result, VersionRecord) else None)
    return details
