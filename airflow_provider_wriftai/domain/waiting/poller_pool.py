"""All waits of one connection in one event loop: one client, and one poll for each model."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from weakref import WeakKeyDictionary

from airflow_provider_wriftai.client.api import API
from airflow_provider_wriftai.client.errors import AuthenticationError
from airflow_provider_wriftai.domain.waiting.poller import Found, Poller, Wait
from airflow_provider_wriftai.domain.waiting.version_cache import Target, VersionCache, target_of

log = logging.getLogger(__name__)

OpenAPI = Callable[[], Awaitable[API]]
"""Opens the API with what a connection says now."""


class PollerPool:
    """What the waits of one connection share. Use it through :func:`wait_for`."""

    def __init__(self) -> None:
        self._opening = asyncio.Lock()
        self._api: API | None = None
        self._watches: dict[Target, Poller] = {}
        self.users = 0

    async def open(self, open_api: OpenAPI) -> API:
        """Open the API, once for all."""
        async with self._opening:
            if self._api is None:
                self._api = await open_api()
            return self._api

    async def wait(self, api: API, wait: Wait) -> Found:
        """Wait, together with all that wait on the same."""
        target = target_of(wait.condition)
        watch = self._watches.get(target)
        if watch is None:
            watch = self._watches[target] = Poller(api, VersionCache(target))
        try:
            return await watch.wait(wait)
        finally:
            if watch.is_idle and self._watches.get(target) is watch:
                del self._watches[target]

    async def close(self) -> None:
        """Close what was opened."""
        if self._api is not None:
            try:
                await self._api.aclose()
            except Exception:  # what was found is worth more
                log.warning("A connection could not be closed.", exc_info=True)


_hubs: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, PollerPool]] = WeakKeyDictionary()


@asynccontextmanager
async def _shared(key: str) -> AsyncIterator[PollerPool]:
    hubs = _hubs.setdefault(asyncio.get_running_loop(), {})
    hub = hubs.setdefault(key, PollerPool())
    hub.users += 1
    try:
        yield hub
    finally:
        hub.users -= 1
        if not hub.users:
            _retire(key, hub)
            await hub.close()


def _retire(key: str, hub: PollerPool) -> None:
    """Let no more waits come to a hub."""
    hubs = _hubs[asyncio.get_running_loop()]
    if hubs.get(key) is hub:
        del hubs[key]


async def wait_for(key: str, open_api: OpenAPI, begin: Callable[[], Wait]) -> Found:
    """Wait for a version, sharing client and polls with all that wait in this event loop with the same key.

    Where the token is refused, the connection is read once more: it may have been given another token since.

    Args:
        key: Names the connection.
        open_api: Opens the API; called in the task that waits.
        begin: Makes the wait.

    Returns:
        What was found.

    Raises:
        WriftAIError: What the wait ended with: see ``Poller.wait``.
    """
    refused: tuple[API, AuthenticationError] | None = None
    while True:
        async with _shared(key) as hub:
            api = await hub.open(open_api)
            if refused is not None and api.is_same_as(refused[0]):
                raise refused[1]
            try:
                return await hub.wait(api, begin())
            except AuthenticationError as error:
                refused = (api, error)
                _retire(key, hub)
