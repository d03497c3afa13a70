"""A wait that looks for itself, time after time."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from airflow_provider_wriftai.client.api import API
from airflow_provider_wriftai.client.common_types import Version
from airflow_provider_wriftai.client.errors import WriftAIError
from airflow_provider_wriftai.domain.sansio import Operations, run
from airflow_provider_wriftai.domain.waiting.criteria import Criteria
from airflow_provider_wriftai.domain.waiting.errors import ending
from airflow_provider_wriftai.domain.waiting.matching import find_newest
from airflow_provider_wriftai.domain.waiting.version_cache import VersionCache, target_of
from airflow_provider_wriftai.domain.watermark import Watermark

log = logging.getLogger(__name__)


class SyncWait:
    """What is waited for, and what came of the looks so far.

    Args:
        condition: What is waited for.
        most_failures: How many looks in a row may fail; None: any number.

    Attributes:
        condition: What is waited for; after the first look that did not fail it says what the wait began with.
        most_failures: How many looks in a row may fail; None: any number.
        looks: How many looks were made.
    """

    def __init__(self, condition: Criteria, most_failures: int | None) -> None:
        self.condition = condition
        self.looks = 0
        self.most_failures = most_failures
        self._failures = 0
        self._failure: str | None = None
        self._listing = VersionCache(target_of(condition))
        self._processed_through: Watermark | None = None

    @property
    def state(self) -> str:
        """How things stand, in a sentence."""
        return f"The last look failed: {self._failure}" if self._failure else str(self._listing)

    def look(self, api: API) -> Version | None:
        """Operations once.

        Returns:
            The version, or None where it is not there yet, or where that could not be seen.

        Raises:
            WaitFailedError: Too many looks in a row failed.
            WriftAIError: What no further look can mend.
        """
        self.looks += 1
        try:
            version = run(api, self._looking())
        except WriftAIError as error:
            self._failures += 1
            self._failure = str(error)
            if ends := ending(error, self._failures, self.most_failures, f"for {self.condition} failed"):
                raise ends from (None if ends is error else error)
            log.warning("A look for %s failed: %s", self.condition, error)
            return None
        self._failures, self._failure = 0, None
        return version

    def _looking(self) -> Operations[Version | None]:
        yield from self._listing.refresh()
        self.condition = yield from self._listing.resolve(self.condition)
        among, processed_through = None, self._processed_through
        if processed_through is not None:
            yield from self._listing.reach(processed_through)
            among = [each for each in self._listing.newest_first if processed_through.is_below(each) is not False]
        sought = yield from find_newest(self._listing, self.condition, among)
        if sought.is_complete:
            self._processed_through = sought.watermark
        return sought.versions[-1] if sought.versions else None

    def to_json(self) -> dict[str, Any]:
        """Write down how far it is, for another process to go on."""
        return {
            "condition": self.condition.to_json(),
            "processed_through": self._processed_through.to_json() if self._processed_through else None,
            "looks": self.looks,
            "failures": self._failures,
        }

    def go_on_from(self, value: Mapping[str, Any], *, is_same_try: bool) -> None:
        """Go on from what :meth:`to_json` wrote; from something else it begins anew.

        Args:
            value: What was written.
            is_same_try: Whether the looks that it tells of belong to the same try of the task; otherwise only what the
                wait began with is taken over.
        """
        try:
            condition = Criteria.from_json(value["condition"])
            processed_through = Watermark.from_json(value["processed_through"]) if value["processed_through"] else None
            looks, failures = int(value["looks"]), int(value["failures"])
        except (KeyError, TypeError, ValueError):
            log.warning("What an earlier look noted cannot be read, so the wait begins anew.")
            return
        self.condition, self._processed_through = condition, processed_through
        if is_same_try:
            self.looks, self._failures = looks, failures
