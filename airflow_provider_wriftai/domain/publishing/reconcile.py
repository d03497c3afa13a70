"""Find out what an unanswered create request did: search repeatedly, for a bounded time.

An empty search proves nothing while the service may still be working on the request. After ``seconds`` it does, except
that responses may be stale (a cache, a replica that lags): so three searches in a row must be empty then.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable

from airflow_provider_wriftai.client.backoff import Backoff
from airflow_provider_wriftai.client.errors import WriftAIError
from airflow_provider_wriftai.client.version import VersionRecord
from airflow_provider_wriftai.domain.sansio import Operations, Pause

log = logging.getLogger(__name__)

_BACKOFF = Backoff(initial=1.0, maximum=30.0)

CONFIRMATION_SECONDS = 3.0
"""Seconds between the last searches."""

CONFIRMATIONS = 2
"""Searches after the first one that can be relied on."""


def reconcile(
    search: Callable[[], Operations[VersionRecord | None]], seconds: float, *, clock: Callable[[], float]
) -> Operations[VersionRecord | None]:
    """Search until a version is found, or until it cannot appear any more.

    Args:
        search: Searches once.
        seconds: How long the service may still be working on the request.
        clock: Returns the time in seconds.

    Returns:
        The version; None if it does not exist.

    Raises:
        WriftAIError: A search failed with an error that no retry can fix, or one at the end of the time failed.
    """
    began = clock()
    confirmations = 0
    for attempt in itertools.count(1):
        is_late_enough = clock() - began >= seconds
        try:
            found = yield from search()
        except WriftAIError as error:
            if is_late_enough or not error.retryable:
                raise
            log.warning("Searching failed: %s", error)
        else:
            if found is not None or confirmations >= CONFIRMATIONS:
                return found
            confirmations += is_late_enough
        elapsed = clock() - began
        wait = CONFIRMATION_SECONDS if is_late_enough else min(_BACKOFF.delay(attempt), max(0.0, seconds - elapsed))
        log.info("Version not found yet, after %.0f s. Searching again in %.1f s.", elapsed, wait)
        yield Pause(wait)
    raise AssertionError("the attempts never end")
