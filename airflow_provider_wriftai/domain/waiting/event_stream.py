"""Stream every version that is published for a model, one after the other.

The stream is a loop of waits (see ``poller_pool``) for what is newer than a checkpoint. It never ends by itself:
whatever goes wrong is logged and tried again at growing intervals, because nobody else could do anything about it.

A wait follows changes of its connection. But a version number says nothing about the versions of another service. So a
checkpoint belongs to the service that it was made with, and a wait ends with an error as soon as its connection leads
to another one. There the stream begins with the versions published from then on.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from airflow_provider_wriftai.client.api import API
from airflow_provider_wriftai.client.backoff import Backoff
from airflow_provider_wriftai.client.errors import WriftAIError
from airflow_provider_wriftai.client.version import VersionRecord
from airflow_provider_wriftai.domain.services import is_same_service
from airflow_provider_wriftai.domain.waiting.criteria import START, Criteria, NewerThan, Start
from airflow_provider_wriftai.domain.waiting.poll_interval import PollInterval
from airflow_provider_wriftai.domain.waiting.poller_pool import OpenAPI, wait_for
from airflow_provider_wriftai.domain.waiting.wait import LONGEST_PAUSE, Wait, WaitResult
from airflow_provider_wriftai.domain.watermark import Age, Watermark

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How far the versions of a model were delivered.

    Attributes:
        service: The base URL of the service.
        watermark: The newest versions that were delivered or passed over.
    """

    service: str
    watermark: Watermark

    def covers(self, version: VersionRecord, service: str) -> bool:
        """Return whether a version of a service was delivered already."""
        return is_same_service(service, self.service) and self.watermark.compare(version) is Age.NOT_NEWER

    def merge(self, other: Checkpoint) -> Checkpoint:
        """Return the checkpoint past everything that either of the two is past; this one if the services differ."""
        if not is_same_service(other.service, self.service):
            return self
        return replace(self, watermark=self.watermark.merge(other.watermark))

    def to_json(self) -> dict[str, Any]:
        """Return the checkpoint as JSON."""
        return {"service": self.service, **self.watermark.to_json()}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Checkpoint:
        """Parse what :meth:`to_json` returned.

        Raises:
            KeyError, TypeError, ValueError: It is something else.
        """
        service = value["service"]
        if not isinstance(service, str):
            raise TypeError("'service' is of another type")
        return cls(service, Watermark.from_json(value))


@dataclass(frozen=True, slots=True)
class VersionEvent:
    """A version that was published; or none, where only the place is known at which the stream begins.

    Attributes:
        version: The version, with its details.
        checkpoint: Where to go on once the version was delivered.
    """

    version: VersionRecord | None
    checkpoint: Checkpoint


async def stream_versions(
    criteria: Criteria,
    *,
    poll_interval: float,
    seconds_between_events: float,
    open_api: OpenAPI,
    since: Checkpoint | None = None,
) -> AsyncIterator[VersionEvent]:
    """Yield every version that is published for a model.

    Args:
        criteria: The model, where to begin without a checkpoint, and the pattern of the release notes.
        poll_interval: Seconds between two polls, which are shared with everything that waits on the model.
        seconds_between_events: The least number of seconds between two versions.
        open_api: Opens the API with what the connection says now.
        since: The checkpoint to continue from.

    Yields:
        The place at which the stream begins, if that had to be found out; then each version, the oldest first.
    """
    stream = _Stream(criteria, PollInterval(poll_interval), open_api, since)
    loop = asyncio.get_running_loop()
    earliest = loop.time()
    while True:
        for event in await stream.next_events():
            if event.version is not None:
                await asyncio.sleep(earliest - loop.time())
            yield event
            if event.version is not None:
                earliest = loop.time() + seconds_between_events


class ServiceChangedError(WriftAIError):
    """The connection now leads to another service."""


class _Stream:
    def __init__(
        self, criteria: Criteria, poll_interval: PollInterval, open_api: OpenAPI, since: Checkpoint | None
    ) -> None:
        self._criteria = criteria
        self._poll_interval = poll_interval
        self._open_api = open_api
        # A connection of its own, because it must not end the waits of others. The polls are shared all the same.
        self._connection = f"stream-{id(self)}"
        self._scope = asyncio.timeout(None)
        self._service = since.service if since is not None else None
        if since is not None:
            self._newer_than: NewerThan = since.watermark
        else:
            self._newer_than = criteria.newer_than or START

    async def next_events(self) -> list[VersionEvent]:
        """Wait for new versions, or for the place at which the stream begins."""
        found = await self._retry_forever()
        service, watermark = self._service or "", self._newer_than
        if not isinstance(watermark, Watermark):
            # The criteria are resolved now.
            self._newer_than = found.criteria.newer_than or found.processed_through
            return [VersionEvent(None, Checkpoint(service, self._newer_than))]
        events = []
        for version in found.versions:
            watermark = watermark.advance(version)
            events.append(VersionEvent(version, Checkpoint(service, watermark)))
        # In generation 1, the processed versions replace the known ones, which would otherwise grow forever.
        processed = found.processed_through
        self._newer_than = processed if watermark.number is None else watermark.merge(processed)
        return events

    def _make_wait(self) -> Wait:
        return Wait(
            replace(self._criteria, newer_than=self._newer_than),
            self._poll_interval,
            seconds=math.inf,
            find_all=True,
            single_poll=not isinstance(self._newer_than, Watermark),
        )

    async def _open(self) -> API:
        api = await self._open_api()
        if self._service is None:
            self._service = api.base_url
        if not is_same_service(self._service, api.base_url):
            # A wait survives errors of its connection. This one has to end.
            self._scope.reschedule(asyncio.get_running_loop().time())
            raise ServiceChangedError(f"The connection leads to {api.base_url} now, and no longer to {self._service}.")
        return api

    async def _wait(self) -> WaitResult:
        async with asyncio.timeout(None) as self._scope:
            return await wait_for(self._connection, self._open, self._make_wait())

    async def _retry_forever(self) -> WaitResult:
        backoff = Backoff(max(self._poll_interval.seconds, 1.0), maximum=LONGEST_PAUSE)
        failures, began = 0, datetime.now(UTC)
        while True:
            try:
                return await self._wait()
            except Exception as error:  # noqa: BLE001 - any failure: the listener could do nothing else
                if self._scope.expired():
                    log.warning(
                        "The connection no longer leads to %s. Watching %s where it leads now, from this moment on.",
                        self._service, self._criteria.model,
                    )  # fmt: skip
                    self._service, self._newer_than, began = None, START, datetime.now(UTC)
                    continue
                if self._newer_than == START:
                    # What is published from now on is delivered, even if a later attempt is the first that works.
                    self._newer_than = Start(began)
                failures += 1
                pause = backoff.delay(failures)
                log.error("Cannot watch %s. Trying again in %.0f s. %s", self._criteria.model, pause, error)  # noqa: TRY400
            await asyncio.sleep(pause)
