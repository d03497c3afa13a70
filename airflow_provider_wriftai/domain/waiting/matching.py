"""Find what is waited for among the known versions of a model."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass

from airflow_provider_wriftai.client.references import VersionId, VersionReference
from airflow_provider_wriftai.client.version import VersionRecord
from airflow_provider_wriftai.domain.patterns import PatternTimeoutError
from airflow_provider_wriftai.domain.sansio import Operations
from airflow_provider_wriftai.domain.search import Match, Matcher, search_versions
from airflow_provider_wriftai.domain.waiting.criteria import ResolvedCriteria
from airflow_provider_wriftai.domain.waiting.errors import VersionGoneError
from airflow_provider_wriftai.domain.waiting.version_cache import VersionCache
from airflow_provider_wriftai.domain.watermark import Age, Watermark

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class MatchResult:
    """The result of a search.

    Attributes:
        versions: The versions that match, with their details, oldest first.
        is_complete: Whether nothing is unresolved, so that only new versions need to be searched next time.
        cache: Where it was searched.
        watermark: How far the versions are processed, if not all that are known are.
    """

    versions: list[VersionRecord]
    is_complete: bool
    cache: VersionCache
    watermark: Watermark | None = None

    @property
    def processed_through(self) -> Watermark:
        """The watermark past what is processed, as of the cache's last refresh."""
        # Only on demand: most of the many waits that a poll found nothing for do not need it.
        return self.watermark if self.watermark is not None else self.cache.watermark()


def find_newest(
    cache: VersionCache, criteria: ResolvedCriteria, among: Iterable[VersionRecord] | None = None
) -> Operations[MatchResult]:
    """Find the newest version that matches.

    Args:
        cache: What is known.
        criteria: What is waited for.
        among: The versions to search, newest first; None for all that are known.

    Raises:
        VersionGoneError: It is a given version, and will never exist.
    """
    given = criteria.criteria.version
    if given is not None:
        version = yield from _find_given(cache, given)
        return MatchResult([] if version is None else [version], is_complete=True, cache=cache)
    candidates = cache.newest_first if among is None else list(among)
    is_complete = True
    while True:
        result = yield from search_versions(candidates, criteria.match, details_of=cache.details_of)
        first = result.first
        if any(cache.is_missing(version.reference) for version in result.missing):
            is_complete = False
        if first is None:
            return MatchResult([], is_complete, cache)
        # Its details may have been fetched long ago.
        confirmed = yield from cache.confirm(first.reference)
        if confirmed is not None:
            return MatchResult([first.merge(confirmed)], is_complete=True, cache=cache)
        is_complete = is_complete and not cache.is_missing(first.reference)
        position = next(i for i, candidate in enumerate(candidates) if candidate.reference == first.reference)
        candidates = candidates[position + 1 :]


def find_all(cache: VersionCache, criteria: ResolvedCriteria) -> Operations[MatchResult]:
    """Find every version that matches, without passing over one that is unresolved.

    What follows a version whose details are not found, or a gap that a lower number may still fill, is left for later.
    A version whose release notes take too long to search does not match: it must not hold up all that follow.
    """
    watermark = criteria.newer_than or Watermark(is_all=True)
    candidates: list[VersionRecord] = []
    is_complete = True
    last = watermark.number
    for version in reversed(cache.newest_first):
        if watermark.compare(version) is not Age.NEWER:
            continue
        leaves_a_gap = version.number is not None and version.number > (last or version.number) + 1
        if leaves_a_gap and cache.is_young(version):
            is_complete = False
            break
        candidates.append(version)
        last = version.number
    result = yield from search_versions(candidates, _tolerate(criteria), find_all=True, details_of=cache.details_of)
    details = yield from cache.details_of([version.reference for version in result.found])
    known = {
        version.reference: version.merge(detail)
        for version, detail in zip(result.found, details, strict=True)
        if detail is not None
    }
    found: list[VersionRecord] = []
    for version in candidates:
        if cache.is_missing(version.reference):
            is_complete = False
            break
        watermark = watermark.advance(version)
        if version.reference in known:
            found.append(known[version.reference])
    return MatchResult(found, is_complete, cache, watermark=None if is_complete else watermark)


def _tolerate(criteria: ResolvedCriteria) -> Matcher:
    def match(version: VersionRecord) -> Match:
        try:
            return criteria.match(version)
        except PatternTimeoutError as error:
            log.error("%s is skipped, because its release notes cannot be searched. %s", version.reference, error)  # noqa: TRY400
            return Match.NO

    return match


def _find_given(cache: VersionCache, given: VersionReference) -> Operations[VersionRecord | None]:
    if isinstance(given, VersionId):
        return (yield from cache.confirm(given))
    if not cache.may_have(given.number):
        return None
    version = yield from cache.confirm(given)
    if version is None and not cache.is_listed(given) and cache.has_settled_above(given.number):
        raise VersionGoneError(
            f"{given} does not exist and never will: {cache} Numbers only count up, so it was deleted."
        )
    return version
