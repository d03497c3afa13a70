"""A wait that polls by itself, in the process of its task (modes ``poke`` and ``reschedule``).

Each poll is one call of :meth:`SyncWait.poll`. Between two polls the task may be replaced by another process (mode
``reschedule``) or another try; :meth:`SyncWait.to_json` and :meth:`SyncWait.resume` carry what was found out across.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from airflow_provider_wriftai.client.api import API
from airflow_provider_wriftai.client.errors import WriftAIError
from airflow_provider_wriftai.client.version import VersionRecord
from airflow_provider_wriftai.domain.sansio import Operations, run
from airflow_provider_wriftai.domain.waiting.criteria import Criteria
from airflow_provider_wriftai.domain.waiting.errors import FailureLimit
from airflow_provider_wriftai.domain.waiting.matching import find_newest
from airflow_provider_wriftai.domain.waiting.version_cache import VersionCache
from airflow_provider_wriftai.domain.watermark import Age, Watermark

log = logging.getLogger(__name__)


class SyncWait:
    """The criteria of a wait, and the state after the polls so far.

    Args:
        criteria: What is waited for.
        max_failures: How many polls in a row may fail; None for no limit.
        began: When the wait begins, by Airflow's clock.

    Attributes:
        criteria: What is waited for. After the first poll that worked they say what existed when the wait began.
        polls: How many polls were made.
        failures: How many in a row have failed.
    """

    def __init__(self, criteria: Criteria, max_failures: int | None, began: datetime) -> None:
        self.criteria = criteria
        self.began = began
        self.polls = 0
        self.failures = FailureLimit(max_failures)
        self._failure: str | None = None
        self._cache = VersionCache(criteria.target)
        self._processed_through: Watermark | None = None

    @property
    def status(self) -> str:
        """The status of the wait, as a sentence."""
        return f"The last poll failed: {self._failure}" if self._failure else str(self._cache)

    def poll(self, api: API) -> VersionRecord | None:
        """Poll once.

        Returns:
            The version; None if it does not exist yet, or if the poll failed.

        Raises:
            WaitFailedError: Too many polls in a row failed.
            WriftAIError: The poll failed for a reason that no further poll can fix.
        """
        self.polls += 1
        try:
            version = run(api, self._search())
        except WriftAIError as error:
            # What is published from now on is newer, even if a later poll is the first that works.
            self.criteria = self.criteria.began_at(self.began)
            self._failure = str(error)
            ending = self.failures.add(error, str(self.criteria))
            if ending is error:
                raise
            if ending is not None:
                raise ending from error
            log.warning("A poll for %s failed. %s", self.criteria, error)
            return None
        self.failures.reset()
        self._failure = None
        return version

    def _search(self) -> Operations[VersionRecord | None]:
        cache, processed_through = self._cache, self._processed_through
        began = time.monotonic()
        yield from cache.refresh()
        resolved = yield from cache.resolve(self.criteria, began)
        self.criteria = resolved.as_criteria()
        among = None
        if processed_through is not None:
            yield from cache.read_back_to(processed_through)
            among = [each for each in cache.newest_first if processed_through.compare(each) is not Age.NOT_NEWER]
        result = yield from find_newest(cache, resolved, among)
        if result.is_complete:
            self._processed_through = result.processed_through
        return result.versions[-1] if result.versions else None

    def to_json(self) -> dict[str, Any]:
        """Return the state of the wait, for another process to continue."""
        return {
            "criteria": self.criteria.began_at(self.began).to_json(),
            "processed_through": self._processed_through.to_json() if self._processed_through else None,
            "polls": self.polls,
            "failures": self.failures.count,
        }

    def resume(self, value: Mapping[str, Any], *, is_same_try: bool) -> None:
        """Continue from what :meth:`to_json` returned; for anything else, the wait starts over.

        Args:
            value: What :meth:`to_json` returned.
            is_same_try: Whether its polls belong to the same try of the task. Otherwise only what existed when the wait
                began is taken over.
        """
        try:
            criteria = Criteria.from_json(value["criteria"])
            processed_through = Watermark.from_json(value["processed_through"]) if value["processed_through"] else None
            polls, failures = int(value["polls"]), int(value["failures"])
        except (KeyError, TypeError, ValueError) as error:
            log.warning("The stored state of the wait is invalid (%s), so the wait starts over.", error)
            return
        self.criteria, self._processed_through = criteria, processed_through
        if is_same_try:
            self.polls, self.failures.count = polls, failures
