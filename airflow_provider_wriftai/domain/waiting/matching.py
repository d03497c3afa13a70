"""Finding what is waited for in a listing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

from airflow_provider_wriftai.client.common_types import Version
from airflow_provider_wriftai.client.references import VersionId, VersionReference
from airflow_provider_wriftai.client.summary import VersionSummary
from airflow_provider_wriftai.domain.sansio import Operations
from airflow_provider_wriftai.domain.waiting.criteria import Criteria
from airflow_provider_wriftai.domain.waiting.errors import NeverThereError
from airflow_provider_wriftai.domain.waiting.version_cache import VersionCache
from airflow_provider_wriftai.domain.watermark import Watermark


@dataclass(frozen=True, slots=True)
class MatchResult:
    """What came of seeking.

    Attributes:
        versions: The versions that were found, with their details, the oldest first.
        is_complete: Whether nothing is left in doubt, so that only what is new needs to be looked at next time.
        listing: Where it was sought.
        passed: How far what is dealt with goes, where that is not all that was seen.
    """

    versions: list[Version]
    is_complete: bool
    listing: VersionCache
    passed: Watermark | None = None

    @property
    def watermark(self) -> Watermark:
        """Behind what is dealt with, as of the listing's last refresh."""
        # Only where it is asked for: of the many waits that a poll has nothing for, none asks.
        return self.passed if self.passed is not None else self.listing.watermark()


def find_newest(
    listing: VersionCache, condition: Criteria, among: Iterable[VersionSummary] | None = None
) -> Operations[MatchResult]:
    """Operations for the newest version that a condition holds for.

    Args:
        listing: What was seen.
        condition: What is waited for; resolved.
        among: The versions to look at, newest first. None: all that were seen.

    Raises:
        NeverThereError: It is a given version, and will never be there.
    """
    if condition.version is not None:
        version = yield from _find_given(listing, condition.version)
        return MatchResult([] if version is None else [version], is_complete=True, listing=listing)
    is_complete = True
    for summary in listing.newest_first if among is None else among:
        version = yield from _details_if_it_holds(listing, condition, summary)
        if version is not None:
            # Its details may have been read long ago.
            version = yield from listing.confirmed(summary.reference)
        if version is not None:
            return MatchResult([version], is_complete=True, listing=listing)
        if listing.is_missing(summary.reference):
            is_complete = False
    return MatchResult([], is_complete, listing)


def find_every(listing: VersionCache, condition: Criteria) -> Operations[MatchResult]:
    """Operations for every version that a condition holds for and that is newer than a watermark.

    What comes after one that is in doubt (its details are not found, or a lower number may still come) is left for
    later: the watermark must not pass it.

    Args:
        listing: What was seen.
        condition: What is waited for; resolved.
    """
    watermark = cast("Watermark", condition.newer_than)
    found: list[Version] = []
    for summary in reversed(listing.newest_first):
        if watermark.is_below(summary) is not True:
            continue
        leaves_a_gap = summary.number is not None and summary.number > (watermark.number or summary.number) + 1
        if leaves_a_gap and listing.is_young(summary):
            return MatchResult(found, is_complete=False, listing=listing, passed=watermark)
        version = yield from _details_if_it_holds(listing, condition, summary)
        if version is not None:
            found.append(version)
        elif listing.is_missing(summary.reference):
            return MatchResult(found, is_complete=False, listing=listing, passed=watermark)
        watermark = watermark.passing(summary)
    return MatchResult(found, is_complete=True, listing=listing)


def _details_if_it_holds(
    listing: VersionCache, condition: Criteria, summary: VersionSummary
) -> Operations[Version | None]:
    if condition.matches(summary) is False:
        return None
    version = yield from listing.details_of(summary.reference)
    # What neither the list nor the details tell of, does not hold.
    return version if version is not None and condition.matches(_merged(summary, version)) else None


def _find_given(listing: VersionCache, given: VersionReference) -> Operations[Version | None]:
    if isinstance(given, VersionId):
        return (yield from listing.confirmed(str(given)))
    if not listing.may_have(given.number):
        return None
    version = yield from listing.confirmed(str(given))
    if version is None and not listing.is_listed(str(given)) and listing.has_older_above(given.number):
        raise NeverThereError(
            f"{given} is not there, and never will be: {listing} Numbers only count up, so it was deleted."
        )
    return version


def _merged(listed: VersionSummary, version: Version) -> VersionSummary:
    told = VersionSummary.of(version)
    return VersionSummary(
        listed.reference,
        listed.number,
        listed.created_at or told.created_at,
        listed.release_notes if listed.release_notes is not None else told.release_notes,
        listed.digest or told.digest,
    )
