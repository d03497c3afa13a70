"""Everything that is published for a model, one version after the other, for as long as somebody listens."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from functools import partial

from airflow_provider_wriftai.client.references import VersionId
from airflow_provider_wriftai.client.version import VersionRecord
from airflow_provider_wriftai.domain.waiting.criteria import START, Criteria
from airflow_provider_wriftai.domain.waiting.poll_interval import PollInterval
from airflow_provider_wriftai.domain.waiting.poller_pool import OpenAPI, wait_for
from airflow_provider_wriftai.domain.waiting.wait import Found, Wait
from airflow_provider_wriftai.domain.watermark import Watermark

log = logging.getLogger(__name__)

LONGEST_PAUSE = 600.0
"""Seconds between two tries at the most, where the service or the connection does not work."""


@dataclass(frozen=True, slots=True)
class VersionEvent:
    """One version that was published; or, at first, none: only where the news begin.

    Attributes:
        version: The version, with its details.
        watermark: From where to go on once it is dealt with.
    """

    version: VersionRecord | None
    watermark: Watermark


async def stream_versions(
    condition: Criteria, interval: float, pause: float, key: str, open_api: OpenAPI
) -> AsyncIterator[VersionEvent]:
    """Listen for versions. Whatever goes wrong, it is told in the log and tried again.

    Args:
        condition: Of which model, since when, and with which release notes.
        interval: Seconds between looks, which are shared with all that wait on the model.
        pause: Seconds between two versions at least.
        key: Names the connection.
        open_api: Opens the API.

    Yields:
        Where the news begin, if that had to be found out; then each version, the oldest first.
    """
    watermark = condition.newer_than
    if not isinstance(watermark, Watermark):
        condition = replace(condition, newer_than=watermark or START)
        found = await retry_forever(partial(_wait, condition, interval, is_one_look=True), key, open_api)
        # Where they begin with what is newer than a version that is there, the wait has found out what that means.
        begins = found.criteria.newer_than if isinstance(watermark, VersionId) else None
        watermark = begins or found.processed_through
        yield VersionEvent(None, watermark)
    loop = asyncio.get_running_loop()
    earliest = loop.time()
    while True:
        condition = replace(condition, newer_than=watermark)
        found = await retry_forever(partial(_wait, condition, interval), key, open_api)
        for version in found.versions:
            watermark = watermark.advance(version)
            await asyncio.sleep(earliest - loop.time())
            yield VersionEvent(version, watermark)
            earliest = loop.time() + pause
        watermark = found.processed_through


def _wait(condition: Criteria, interval: float, *, is_one_look: bool = False) -> Wait:
    return Wait(condition, PollInterval(interval), seconds=float("inf"), find_all=True, single_poll=is_one_look)


async def retry_forever(begin: Callable[[], Wait], key: str, open_api: OpenAPI) -> Found:
    pause = begin().interval.seconds
    while True:
        try:
            return await wait_for(key, open_api, begin)
        except Exception as error:  # noqa: BLE001 - whatever it is: who listens could do nothing else
            log.error("Nothing can be heard of new versions; trying again in %.0f s. %s", pause, error)  # noqa: TRY400
        await asyncio.sleep(pause)
        pause = min(max(pause, 1.0) * 2, LONGEST_PAUSE)
