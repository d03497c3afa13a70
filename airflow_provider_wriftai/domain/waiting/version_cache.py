"""What has been seen of a model's versions so far."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import cast

from airflow_provider_wriftai.client import endpoints
from airflow_provider_wriftai.client.common_types import Version
from airflow_provider_wriftai.client.errors import NotFoundError
from airflow_provider_wriftai.client.pagination import LARGEST_PAGE, SMALLEST_PAGE, PageCursor
from airflow_provider_wriftai.client.references import ModelReference, VersionId, VersionNumber, parse_version
from airflow_provider_wriftai.client.summary import VersionSummary
from airflow_provider_wriftai.domain.sansio import Operations
from airflow_provider_wriftai.domain.waiting.criteria import Criteria, Start
from airflow_provider_wriftai.domain.waiting.errors import InvalidCriteriaError
from airflow_provider_wriftai.domain.watermark import Watermark

SETTLED_AFTER = timedelta(minutes=1)
"""How long what the service says of something new may still change: a lower number may come to be seen after a higher
one, and details after the list."""

_MOST_DETAILS = 200

Target = ModelReference | VersionId
"""What is looked at: the versions of a model; or one version by its id, which no list is needed for."""


def target_of(condition: Criteria) -> Target:
    """Tell what is looked at for a condition."""
    if isinstance(condition.version, VersionId):
        return condition.version
    # Nothing else that a condition can be is without a model.
    return cast("ModelReference", condition.model)


class VersionCache:
    """The versions of a model, as far as they were seen.

    Versions do not change, so that only what is new is read again, and no details are read twice: but for a version
    that is about to be handed out, which may have been deleted since.

    Args:
        target: What is looked at.
        clock: Tells seconds.
    """

    def __init__(self, target: Target, clock: Callable[[], float] = time.monotonic) -> None:
        self.target = target
        self._clock = clock
        self._forget()

    def _forget(self) -> None:
        self._newest_first: dict[str, VersionSummary] = {}
        self._details: dict[str, Version] = {}
        self._confirmed: set[str] = set()
        self._missing_since: dict[str, float] = {}
        self._was_listed = False
        self._is_all = False
        self._newest_number = 0
        self._served_at: datetime | None = None

    def __str__(self) -> str:
        if not self._was_listed:
            return f"The service does not know {self.target}."
        newest = next(iter(self._newest_first), None)
        return f"The newest version is {newest}." if newest else f"{self.target} has no versions."

    @property
    def newest_first(self) -> list[VersionSummary]:
        """The versions, the newest first."""
        return list(self._newest_first.values())

    def refresh(self) -> Operations[list[VersionSummary] | None]:
        """Operations what is new: one request, and more only where more is new than fits a page.

        Returns:
            The versions that were not seen before, newest first. None: it is the first look, so that all are new.
        """
        self._confirmed.clear()
        if isinstance(self.target, VersionId):
            yield from self.confirmed(str(self.target))
            return []
        if not self._was_listed:
            return (yield from self._list_first(self.target))
        # The little that tells whether there is anything new.
        walk, goes_on = PageCursor(SMALLEST_PAGE), True
        fresh: dict[str, VersionSummary] = {}
        while goes_on:
            try:
                page = yield endpoints.list_versions(self.target, walk.options)
            except NotFoundError:
                self._forget()
                return []
            summaries = [VersionSummary.of(version) for version in page.items]
            fresh.update((each.reference, each) for each in summaries if each.reference not in self._newest_first)
            goes_on = walk.goes_on_after(page)
            if not goes_on and self._counts_anew(summaries):
                self._forget()
                return (yield from self._list_first(self.target))
            goes_on = goes_on and bool(summaries) and summaries[-1].reference in fresh
            self._served_at = page.served_at or self._served_at
        self._add(fresh)
        return list(fresh.values())

    def _list_first(self, model: ModelReference) -> Operations[list[VersionSummary] | None]:
        # As much as one request can tell.
        walk = PageCursor(LARGEST_PAGE)
        try:
            page = yield endpoints.list_versions(model, walk.options)
        except NotFoundError:
            return []
        self._is_all = not walk.goes_on_after(page)
        self._was_listed = True
        self._served_at = page.served_at
        self._add({each.reference: each for each in map(VersionSummary.of, page.items)})
        return None

    def _counts_anew(self, all_of_them: list[VersionSummary]) -> bool:
        """Tell whether the model may have been made again, with versions that bear the numbers of others."""
        return max((each.number or 0 for each in all_of_them), default=0) < self._newest_number

    def _add(self, fresh: dict[str, VersionSummary]) -> None:
        if fresh:
            self._newest_first = _sorted({**fresh, **self._newest_first})
            self._newest_number = max(self._newest_number, *(each.number or 0 for each in fresh.values()))

    def reach(self, watermark: Watermark) -> Operations[None]:
        """Read further back, until everything that is newer than a watermark was seen."""
        seen = self._newest_first.values()
        is_reached = self._is_all or any(watermark.is_below(each) is not True for each in seen)
        if is_reached or not self._was_listed or isinstance(self.target, VersionId):
            return
        walk, goes_on, met_known = PageCursor(), True, False
        while goes_on:
            page = yield endpoints.list_versions(self.target, walk.options)
            summaries = [VersionSummary.of(version) for version in page.items]
            for each in summaries:
                # What has come since the last refresh is left to the next one, which tells it as new.
                met_known = met_known or each.reference in self._newest_first
                if met_known:
                    self._newest_first.setdefault(each.reference, each)
            goes_on = walk.goes_on_after(page)
            if any(watermark.is_below(each) is not True for each in summaries):
                return
        self._is_all = met_known

    def resolve(self, condition: Criteria) -> Operations[Criteria]:
        """Fix what a version has to be newer than, where that depends on what is there now.

        Raises:
            InvalidCriteriaError: It has to be newer than a version that is not there.
        """
        match condition.newer_than:
            case Start():
                condition = condition.with_newer_than(self.watermark())
            case VersionId(id=version_id):
                version = yield from self.details_of(version_id)
                if version is None:
                    raise InvalidCriteriaError(f"newer_than names the version {version_id}, which is not there.")
                created_at = VersionSummary.of(version).created_at
                if created_at is None:
                    raise InvalidCriteriaError(f"The service does not tell when {version_id} was created.")
                watermark = Watermark(known=frozenset({version_id}), oldest=created_at)
                condition = condition.with_newer_than(watermark)
        self._check_that_it_can_be_told(condition)
        if isinstance(condition.newer_than, Watermark):
            yield from self.reach(condition.newer_than)
        return condition

    def _check_that_it_can_be_told(self, condition: Criteria) -> None:
        newest = next(iter(self._newest_first.values()), None)
        if newest is None or newest.number is not None:
            return
        if isinstance(condition.version, VersionNumber):
            raise InvalidCriteriaError(f"{condition.version} is a number, but the service names versions by id.")
        if isinstance(condition.newer_than, Watermark) and condition.newer_than.number is not None:
            raise InvalidCriteriaError(
                "newer_than is a number, but the service names versions by id; give an id, a time or 'start'."
            )

    def watermark(self) -> Watermark:
        """Tell what is there now, so that it can be told later what is newer."""
        newest = self.newest_first[:LARGEST_PAGE]
        is_all = not self._was_listed or (self._is_all and len(self._newest_first) <= LARGEST_PAGE)
        return Watermark.of_summaries(newest, is_all=is_all)

    def details_of(self, reference: str) -> Operations[Version | None]:
        """Fetch the details of a version, unless they were fetched before."""
        known = self._details.get(reference)
        return known if known is not None else (yield from self.confirmed(reference))

    def confirmed(self, reference: str) -> Operations[Version | None]:
        """Fetch the details of a version, to know whether it is there; once after each refresh."""
        if reference in self._confirmed:
            return self._details.get(reference)
        try:
            version: Version = yield endpoints.get_version(parse_version(reference))
        except NotFoundError:
            self._confirmed.add(reference)
            self._details.pop(reference, None)
            self._miss(reference)
            return None
        self._confirmed.add(reference)
        self._missing_since.pop(reference, None)
        while len(self._details) >= _MOST_DETAILS:
            del self._details[next(iter(self._details))]
        self._details[reference] = version
        return version

    def _miss(self, reference: str) -> None:
        # For a while a version may be in the list and not be found; what is not found for longer was deleted.
        missing_since = self._missing_since.setdefault(reference, self._clock())
        if self._clock() - missing_since > SETTLED_AFTER.total_seconds():
            self._newest_first.pop(reference, None)
            del self._missing_since[reference]

    def is_missing(self, reference: str) -> bool:
        """Tell whether a version is in the list, and its details are not found."""
        return reference in self._missing_since and reference in self._newest_first

    def is_listed(self, reference: str) -> bool:
        """Tell whether a version is in the list, also where its details are not found."""
        return reference in self._newest_first

    def may_have(self, number: int) -> bool:
        """Tell whether a version of this number may be there."""
        return number <= self._newest_number

    def is_young(self, version: VersionSummary) -> bool:
        """Tell whether versions from before it may still come to be seen."""
        now = self._served_at
        return now is not None and version.created_at is not None and now - version.created_at <= SETTLED_AFTER

    def has_older_above(self, number: int) -> bool:
        """Tell whether a version with a higher number was there for so long that a lower one would be there too."""
        return any(
            each.number is not None and each.number > number and each.created_at is not None and not self.is_young(each)
            for each in self._newest_first.values()
        )


def _sorted(newest_first: dict[str, VersionSummary]) -> dict[str, VersionSummary]:
    if any(each.number is None for each in newest_first.values()):
        return newest_first
    by_number = sorted(newest_first.values(), key=lambda each: each.number or 0, reverse=True)
    return {each.reference: each for each in by_number}
