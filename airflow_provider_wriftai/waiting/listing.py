"""What has been seen of a model's versions so far, and looking for the one that is waited for."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import cast

from airflow_provider_wriftai.client import calls
from airflow_provider_wriftai.client.common_types import Version
from airflow_provider_wriftai.client.errors import NotFoundError
from airflow_provider_wriftai.client.pagination import LARGEST_PAGE, SMALLEST_PAGE, Walk
from airflow_provider_wriftai.client.references import (
    ModelReference,
    VersionId,
    VersionNumber,
    VersionReference,
    parse_version,
)
from airflow_provider_wriftai.client.summary import VersionSummary
from airflow_provider_wriftai.client.watermark import Watermark
from airflow_provider_wriftai.waiting.asking import Look
from airflow_provider_wriftai.waiting.condition import Condition, Start
from airflow_provider_wriftai.waiting.errors import InvalidConditionError, NeverThereError

SETTLED_AFTER = timedelta(minutes=1)
"""How long after a version was created one with a lower number may still come to be seen."""

_MOST_DETAILS = 200


Target = ModelReference | VersionId
"""What is looked at: the versions of a model; or one version by its id, which no list is needed for."""


def target_of(condition: Condition) -> Target:
    """Tell what is looked at for a condition."""
    if isinstance(condition.version, VersionId):
        return condition.version
    # Nothing else that a condition can be is without a model.
    return cast("ModelReference", condition.model)


class Listing:
    """The versions of a model, as far as they were seen.

    Versions do not change, so that only what is new is read again, and no details are read twice.

    Args:
        target: What is looked at.
    """

    def __init__(self, target: Target) -> None:
        self.target = target
        self._forget()

    def _forget(self) -> None:
        self._newest_first: dict[str, VersionSummary] = {}
        self._details: dict[str, Version] = {}
        self._missing: set[str] = set()
        self._was_listed = False
        self._is_all = False
        self._newest_number = 0
        self._served_at: datetime | None = None

    def __str__(self) -> str:
        if not self._was_listed:
            return f"The service does not know {self.target}."
        newest = next(iter(self._newest_first), None)
        return f"The newest version is {newest}." if newest else f"{self.target} has no versions."

    def refresh(self) -> Look[list[VersionSummary]]:
        """Look what is new: one request, and more only where more is new than fits a page.

        Returns:
            The versions that were not seen before, newest first.
        """
        self._missing.clear()
        if isinstance(self.target, VersionId):
            yield from self._details_of(str(self.target))
            return []
        is_first = not self._was_listed
        # At first as much as one request can tell; then the little that tells whether there is anything new.
        walk = Walk(LARGEST_PAGE if is_first else SMALLEST_PAGE)
        fresh: dict[str, VersionSummary] = {}
        goes_on = True
        while goes_on:
            try:
                page = yield calls.list_versions(self.target, walk.options)
            except NotFoundError:
                self._forget()
                return []
            summaries = [VersionSummary.of(version) for version in page.items]
            fresh.update((each.reference, each) for each in summaries if each.reference not in self._newest_first)
            all_were_new = bool(summaries) and summaries[-1].reference in fresh
            goes_on = walk.goes_on_after(page)
            if is_first:
                self._is_all = not goes_on
            goes_on = goes_on and all_were_new and not is_first
            self._served_at = page.served_at or self._served_at
        self._was_listed = True
        self._newest_first = {**fresh, **self._newest_first} if fresh else self._newest_first
        self._newest_number = max(self._newest_number, *(each.number or 0 for each in fresh.values()), 0)
        return list(fresh.values())

    def reach(self, watermark: Watermark) -> Look[None]:
        """Read further back, until everything that is newer than a watermark was seen."""
        seen = self._newest_first.values()
        is_reached = self._is_all or any(watermark.is_below(each) is not True for each in seen)
        if is_reached or not self._was_listed or isinstance(self.target, VersionId):
            return
        walk, goes_on, met_known = Walk(), True, False
        while goes_on:
            page = yield calls.list_versions(self.target, walk.options)
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

    def resolve(self, condition: Condition) -> Look[Condition]:
        """Fix what a version has to be newer than, where that depends on what is there now.

        Raises:
            InvalidConditionError: It has to be newer than a version that is not there.
        """
        match condition.newer_than:
            case Start():
                condition = condition.with_newer_than(self.watermark())
            case VersionId(id=version_id):
                version = yield from self._details_of(version_id)
                if version is None:
                    raise InvalidConditionError(f"newer_than names the version {version_id}, which is not there.")
                created_at = VersionSummary.of(version).created_at
                if created_at is None:
                    raise InvalidConditionError(f"The service does not tell when {version_id} was created.")
                watermark = Watermark(frozenset({version_id}), is_all=False, number=None, oldest=created_at)
                condition = condition.with_newer_than(watermark)
        self._check_that_it_can_be_told(condition)
        if isinstance(condition.newer_than, Watermark):
            yield from self.reach(condition.newer_than)
        return condition

    def _check_that_it_can_be_told(self, condition: Condition) -> None:
        newest = next(iter(self._newest_first.values()), None)
        if newest is None or newest.number is not None:
            return
        if isinstance(condition.version, VersionNumber):
            raise InvalidConditionError(f"{condition.version} is a number, but the service names versions by id.")
        if isinstance(condition.newer_than, Watermark) and condition.newer_than.number is not None:
            raise InvalidConditionError(
                "newer_than is a number, but the service names versions by id; give an id, a time or 'start'."
            )

    def find(
        self, condition: Condition, among: Iterable[VersionSummary] | None = None, *, every: bool = False
    ) -> Look[list[Version]]:
        """Look for what is waited for.

        Args:
            condition: What is waited for; resolved.
            among: The versions to look at, newest first. None: all that were seen.
            every: Whether every version that it holds for is wanted, or the newest.

        Returns:
            The versions that it holds for, with their details, the oldest first; none where there is none yet.

        Raises:
            NeverThereError: It is a given version, and will never be there.
        """
        if condition.version is not None:
            version = yield from self._find_given(condition.version)
            return [] if version is None else [version]
        found: list[Version] = []
        for summary in list(self._newest_first.values() if among is None else among):
            if condition.matches(summary) is False:
                continue
            version = yield from self._details_of(summary.reference)
            # What neither the list nor the details tell of, does not hold.
            if version is not None and condition.matches(_merged(summary, version)):
                found.insert(0, version)
                if not every:
                    break
        return found

    def watermark(self) -> Watermark:
        """Tell what is there now, so that it can be told later what is newer."""
        newest = list(self._newest_first.values())
        is_all = not self._was_listed or (self._is_all and len(newest) <= LARGEST_PAGE)
        return Watermark.of_summaries(newest[:LARGEST_PAGE], is_all=is_all)

    def _find_given(self, given: VersionReference) -> Look[Version | None]:
        if isinstance(given, VersionId):
            return (yield from self._details_of(str(given)))
        if given.number > self._newest_number:
            return None
        version = yield from self._details_of(str(given))
        if version is None and self._is_past(given.number):
            raise NeverThereError(
                f"{given} is not there, and never will be: {self} Numbers only count up, so it was deleted."
            )
        return version

    def _is_past(self, number: int) -> bool:
        # A lower number may be seen a moment later, where versions are created at the same time.
        return self._served_at is not None and any(
            each.number is not None
            and each.number > number
            and each.created_at is not None
            and self._served_at - each.created_at > SETTLED_AFTER
            for each in self._newest_first.values()
        )

    def _details_of(self, reference: str) -> Look[Version | None]:
        if reference in self._details or reference in self._missing:
            return self._details.get(reference)
        try:
            version: Version = yield calls.get_version(parse_version(reference))
        except NotFoundError:
            self._newest_first.pop(reference, None)
            self._missing.add(reference)
            return None
        while len(self._details) >= _MOST_DETAILS:
            del self._details[next(iter(self._details))]
        self._details[reference] = version
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


def look(listing: Listing, condition: Condition) -> Look[tuple[Condition, Version | None]]:
    """Look once for what is waited for, as the first look of a wait or another one.

    Args:
        listing: What was seen before.
        condition: What is waited for.

    Returns:
        The condition, resolved, for the next look; and the version, or None where it is not there yet.
    """
    yield from listing.refresh()
    condition = yield from listing.resolve(condition)
    found = yield from listing.find(condition)
    return condition, found[-1] if found else None
