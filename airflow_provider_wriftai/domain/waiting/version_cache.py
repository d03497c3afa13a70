"""The known versions of a model, kept from poll to poll.

Versions never change, so a poll only reads what is new: one small page, and more only if more is new than fits on it.
The details of a version are fetched once. The exception is a version that is about to be handed out: it may have been
deleted since, so it is confirmed again, once per poll however many waits it is handed to. Records are kept without the
JSON that the service sent, and the texts that remain are bounded (``MOST_TEXT``).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from airflow_provider_wriftai.client import endpoints
from airflow_provider_wriftai.client.errors import NotFoundError
from airflow_provider_wriftai.client.pagination import LARGEST_PAGE, SMALLEST_PAGE, PageCursor
from airflow_provider_wriftai.client.references import ModelReference, VersionId, VersionNumber, VersionReference
from airflow_provider_wriftai.client.version import VersionRecord
from airflow_provider_wriftai.domain.sansio import Operations
from airflow_provider_wriftai.domain.search import fetch_details
from airflow_provider_wriftai.domain.times import subtract
from airflow_provider_wriftai.domain.waiting.criteria import Criteria, ResolvedCriteria, Start, Target
from airflow_provider_wriftai.domain.waiting.errors import InvalidCriteriaError
from airflow_provider_wriftai.domain.watermark import Age, Watermark

SETTLED_AFTER = timedelta(minutes=1)
"""How long the service's view of something new may still change: a lower number may become visible after a higher one,
and details after the list."""

MOST_TEXT = 8 * 1024 * 1024
"""Characters of release notes that a cache keeps of lists, and as many of details. Notes beyond that are fetched again
when they are needed."""

_MOST_DETAILS = 1000
_CLOCK_PRECISION = timedelta(seconds=1)
"""Of a time of creation that has no fraction."""

_OLDEST_DATE = timedelta(seconds=5)
"""How far the service's clock may be past a Date header when the response is processed: the header has no fraction,
servers refresh it only once a second, and the network or a busy process delay the response."""


class VersionCache:
    """The versions of a model, as far as they are known.

    Args:
        target: What is polled.
        clock: Returns seconds.

    Attributes:
        target: What is polled.
    """

    def __init__(self, target: Target, clock: Callable[[], float] = time.monotonic) -> None:
        self.target = target
        self._clock = clock
        self._clear()

    def _clear(self) -> None:
        self._newest_first: dict[VersionReference, VersionRecord] = {}
        self._details: dict[VersionReference, VersionRecord] = {}
        self._details_text = 0
        self._confirmed: set[VersionReference] = set()
        self._missing_since: dict[VersionReference, float] = {}
        self._was_polled = False
        self._was_listed = False
        self._is_all = False
        self._newest_number = 0
        self._served_at: datetime | None = None
        self._received_at = 0.0

    def __str__(self) -> str:
        if not self._was_listed:
            return f"{self.target} does not exist." if self._was_polled else f"{self.target} has not been polled yet."
        newest = next(iter(self._newest_first), None)
        return f"The newest version is {newest}." if newest else f"{self.target} has no versions."

    @property
    def newest_first(self) -> list[VersionRecord]:
        """The versions, newest first."""
        return list(self._newest_first.values())

    def refresh(self) -> Operations[list[VersionRecord] | None]:
        """Poll: read what is new.

        Returns:
            The versions that were not known before, newest first; None after the first poll, to which all are new.
        """
        self._confirmed.clear()
        if isinstance(self.target, VersionId):
            yield from self.confirm(self.target)
            self._was_polled = True
            return []
        if not self._was_listed:
            return (yield from self._list_first(self.target))
        # The smallest page suffices to see whether anything is new.
        cursor, goes_on = PageCursor(SMALLEST_PAGE), True
        fresh: dict[VersionReference, VersionRecord] = {}
        while goes_on:
            try:
                page = yield endpoints.list_versions(self.target, cursor.options)
            except NotFoundError:
                self._clear()
                self._was_polled = True
                return []
            versions: list[VersionRecord] = page.items
            fresh.update((each.reference, each) for each in versions if each.reference not in self._newest_first)
            goes_on = cursor.advance(page)
            if not goes_on and self._was_recreated(versions):
                self._clear()
                return (yield from self._list_first(self.target))
            goes_on = goes_on and bool(versions) and versions[-1].reference in fresh
            self._served_at, self._received_at = page.served_at or self._served_at, self._clock()
        self._add(fresh)
        return list(fresh.values())

    def _list_first(self, model: ModelReference) -> Operations[list[VersionRecord] | None]:
        # The largest page: as much as one request can return.
        cursor = PageCursor(LARGEST_PAGE)
        try:
            page = yield endpoints.list_versions(model, cursor.options)
        except NotFoundError:
            self._was_polled = True
            return []
        versions: list[VersionRecord] = page.items
        self._is_all = not cursor.advance(page)
        self._was_listed = True
        self._served_at, self._received_at = page.served_at, self._clock()
        self._add({each.reference: each for each in versions})
        return None

    def _was_recreated(self, all_versions: list[VersionRecord]) -> bool:
        """Return whether the model may have been deleted and created again, with numbers that others had."""
        return max((each.number or 0 for each in all_versions), default=0) < self._newest_number

    def _add(self, fresh: dict[VersionReference, VersionRecord]) -> None:
        if fresh:
            self._newest_first = _limit_text(_sort({**fresh, **self._newest_first}))
            self._newest_number = max(self._newest_number, *(each.number or 0 for each in fresh.values()))

    def read_back_to(self, watermark: Watermark) -> Operations[None]:
        """Read further back, until every version that is newer than a watermark is known."""
        known = self._newest_first.values()
        is_reached = self._is_all or any(watermark.compare(each) is not Age.NEWER for each in known)
        if is_reached or not self._was_listed or isinstance(self.target, VersionId):
            return
        cursor, goes_on, met_known = PageCursor(), True, False
        read: dict[VersionReference, VersionRecord] = {}
        while goes_on:
            page = yield endpoints.list_versions(self.target, cursor.options)
            versions: list[VersionRecord] = page.items
            for each in versions:
                # What was published since the last refresh is left to the next one, which reports it as new.
                met_known = met_known or each.reference in self._newest_first
                if met_known:
                    read[each.reference] = each
            goes_on = cursor.advance(page)
            if any(watermark.compare(each) is not Age.NEWER for each in versions):
                break
        else:
            self._is_all = met_known
        self._newest_first = _limit_text({**self._newest_first, **read, **self._newest_first})

    def resolve(self, criteria: Criteria, began: float | None = None) -> Operations[ResolvedCriteria]:
        """Find out what a version has to be newer than, if that depends on what exists now.

        Args:
            criteria: The criteria.
            began: When the wait began, by the monotonic clock; None if that was just now.

        Raises:
            InvalidCriteriaError: It has to be newer than a version that does not exist.
        """
        match criteria.newer_than:
            case Start(at=None):
                newer_than: Watermark | None = self.watermark() if began is None else self._watermark_since(began)
            case Start(at=datetime() as time):
                newer_than = self._watermark_at(time)
            case VersionId() as reference:
                newer_than = yield from self._watermark_of(reference)
            case Watermark() | None as given:
                newer_than = given
        self._check_kind(criteria.version, newer_than)
        if newer_than is not None:
            yield from self.read_back_to(newer_than)
        return ResolvedCriteria(criteria, newer_than)

    def _watermark_of(self, reference: VersionId) -> Operations[Watermark]:
        (version,) = yield from self.details_of([reference])
        if version is None:
            raise InvalidCriteriaError(f"newer_than names version {reference}, which does not exist.")
        if version.created_at is None:
            raise InvalidCriteriaError(
                f"The service does not report when {reference} was created, so newer_than cannot name it. Give a time."
            )
        return Watermark(known=frozenset({reference}), oldest=version.created_at)

    def _watermark_at(self, start: datetime) -> Watermark:
        """Return the watermark of an earlier moment: a wait may have begun before this process knew of it."""
        now = datetime.now(UTC)
        # By the service's clock, in case that of this machine is wrong. That clock is at the Date header or up to two
        # seconds past it, so this is the earliest time of the start: nothing that was published after it must be lost.
        start = subtract(self._served_at or now, max(now - start, timedelta(0)))
        return self._watermark_of_existing([each for each in self.newest_first if _existed_at(start, each)], start)

    def _watermark_since(self, began: float) -> Watermark:
        """Return the watermark of a wait that began before its first poll was answered: the poll may have been slow.

        Only what was certainly published since is left out.
        """
        if self._served_at is None:
            return self.watermark()
        waited = timedelta(seconds=max(self._received_at - began, 0.0))
        latest = subtract(self._served_at, waited - _OLDEST_DATE)
        existed = [each for each in self.newest_first if each.created_at is None or each.created_at <= latest]
        return self._watermark_of_existing(existed, latest)

    def _watermark_of_existing(self, existed: list[VersionRecord], start: datetime) -> Watermark:
        newer = len(self._newest_first) - len(existed)
        if newer and not existed and not self._is_all:
            return Watermark(oldest=start)
        return Watermark.of_versions(existed[:LARGEST_PAGE], is_all=self._is_complete(len(existed)))

    def _check_kind(self, version: VersionReference | None, newer_than: Watermark | None) -> None:
        newest = next(iter(self._newest_first.values()), None)
        if newest is None or newest.number is not None:
            return
        if isinstance(version, VersionNumber):
            raise InvalidCriteriaError(
                f"{version} names a version by number, but this service names versions by id. Give its id."
            )
        if newer_than is not None and newer_than.number is not None:
            raise InvalidCriteriaError(
                "newer_than is a number, but this service names versions by id. Give an id, a time, or 'start'."
            )

    def watermark(self) -> Watermark:
        """Return the watermark of what exists now, to decide later what is newer."""
        return Watermark.of_versions(
            self.newest_first[:LARGEST_PAGE], is_all=self._is_complete(len(self._newest_first))
        )

    def _is_complete(self, count: int) -> bool:
        return not self._was_listed or (self._is_all and count <= LARGEST_PAGE)

    def details_of(self, references: Sequence[VersionReference]) -> Operations[list[VersionRecord | None]]:
        """Fetch the details of versions, unless they are known; None for each that does not exist."""
        unknown = [each for each in references if each not in self._details and each not in self._confirmed]
        fetched = (yield from fetch_details(unknown)) if unknown else []
        found = dict(zip(unknown, fetched, strict=True))
        for reference, version in found.items():
            self._store_details(reference, version)
        # What was fetched is returned even where the cache had no room for it.
        return [found.get(each) or self._details.get(each) for each in references]

    def confirm(self, reference: VersionReference) -> Operations[VersionRecord | None]:
        """Fetch the details of a version to see whether it still exists; once after each refresh."""
        if reference not in self._confirmed:
            (version,) = yield from fetch_details([reference])
            self._store_details(reference, version)
        return self._details.get(reference)

    def _store_details(self, reference: VersionReference, version: VersionRecord | None) -> None:
        self._confirmed.add(reference)
        self._details_text -= _text_of(self._details.pop(reference, None))
        if version is None:
            self._record_missing(reference)
            return
        self._missing_since.pop(reference, None)
        self._details[reference] = slim = _without_schemas(version)
        self._details_text += _text_of(slim)
        while len(self._details) > 1 and (self._details_text > MOST_TEXT or len(self._details) > _MOST_DETAILS):
            oldest = next(iter(self._details))
            self._details_text -= _text_of(self._details.pop(oldest))
            # It is not known any more, so it may be fetched again even before the next refresh.
            self._confirmed.discard(oldest)

    def _record_missing(self, reference: VersionReference) -> None:
        # For a while a version may be in the list and not be found. What is not found for longer was deleted.
        missing_since = self._missing_since.setdefault(reference, self._clock())
        if self._clock() - missing_since > SETTLED_AFTER.total_seconds():
            self._newest_first.pop(reference, None)
            del self._missing_since[reference]

    def is_missing(self, reference: VersionReference) -> bool:
        """Return whether a version is in the list although its details are not found."""
        return reference in self._missing_since and reference in self._newest_first

    def is_listed(self, reference: VersionReference) -> bool:
        """Return whether a version is in the list, its details found or not."""
        return reference in self._newest_first

    def may_have(self, number: int) -> bool:
        """Return whether a version of this number may exist."""
        return number <= self._newest_number

    def is_young(self, version: VersionRecord) -> bool:
        """Return whether versions from before it may still become visible."""
        now = self._served_at
        return now is not None and version.created_at is not None and now - version.created_at <= SETTLED_AFTER

    def has_settled_above(self, number: int) -> bool:
        """Return whether a higher number has existed for so long that a lower one would be visible too."""
        return any(
            each.number is not None and each.number > number and each.created_at is not None and not self.is_young(each)
            for each in self._newest_first.values()
        )


def _existed_at(time: datetime, version: VersionRecord) -> bool:
    """Return whether a version must have existed at a time. One without a time of creation counts as old."""
    if version.created_at is None:
        return True
    # A time without a fraction may have lost it.
    return version.created_at <= (time if version.created_at.microsecond else subtract(time, _CLOCK_PRECISION))


def _sort(newest_first: dict[VersionReference, VersionRecord]) -> dict[VersionReference, VersionRecord]:
    if any(each.number is None for each in newest_first.values()):
        return newest_first
    by_number = sorted(newest_first.values(), key=lambda each: each.number or 0, reverse=True)
    return {each.reference: each for each in by_number}


def _limit_text(newest_first: dict[VersionReference, VersionRecord]) -> dict[VersionReference, VersionRecord]:
    """Keep no JSON, and of the release notes only those of the newest versions."""
    text = 0
    for reference, version in newest_first.items():
        text += _text_of(version)
        if version.body or (text > MOST_TEXT and version.release_notes is not None):
            notes = version.release_notes if text <= MOST_TEXT else None
            newest_first[reference] = replace(version.without_body(), release_notes=notes)
    return newest_first


def _without_schemas(version: VersionRecord) -> VersionRecord:
    """Keep of the JSON only what results contain beside the record's own fields."""
    size = version.body.get("size")
    return replace(version, body={} if size is None else {"size": size})


def _text_of(version: VersionRecord | None) -> int:
    return len(version.release_notes or "") if version is not None else 0
