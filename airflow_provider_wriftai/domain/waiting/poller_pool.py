"""All waits of an event loop: one client for equal settings, and one poll for each model.

``wait_for`` reads the connection (see ``connection_source``) and joins the ``PollerPool`` of its settings. Pools are
keyed by a fingerprint of the settings, which includes the id of the connection, because errors name it. No request
therefore uses the settings of another wait. A pool that nobody uses any more is closed.
"""

from __future__ import annotations

import asyncio
import logging
import math
from dataclasses import dataclass, field, replace
from functools import partial
from weakref import WeakKeyDictionary

from airflow_provider_wriftai.client.api import API
from airflow_provider_wriftai.client.backoff import Backoff
from airflow_provider_wriftai.client.errors import AuthenticationError
from airflow_provider_wriftai.domain.waiting.connection_source import ConnectionSource, OpenAPI
from airflow_provider_wriftai.domain.waiting.criteria import Target
from airflow_provider_wriftai.domain.waiting.poller import Poller, WaitMetrics
from airflow_provider_wriftai.domain.waiting.version_cache import VersionCache
from airflow_provider_wriftai.domain.waiting.wait import LONGEST_PAUSE, ConnectionChangedError, Wait, WaitResult

__all__ = ["OpenAPI", "PollerPool", "wait_for"]

log = logging.getLogger(__name__)


class PollerPool:
    """The client and the pollers that waits with equal settings share.

    Args:
        api: Sends the requests.

    Attributes:
        api: Sends the requests.
        users: How many waits and connections use the pool.
    """

    def __init__(self, api: API) -> None:
        self.api = api
        self.users = 0
        self._pollers: dict[Target, Poller] = {}

    async def wait(self, wait: Wait, metrics: WaitMetrics) -> WaitResult:
        """Wait, together with all that wait on the same target."""
        target = wait.criteria.target
        poller = self._pollers.get(target)
        if poller is None:
            poller = self._pollers[target] = Poller(self.api, VersionCache(target), metrics)
        try:
            return replace(await poller.wait(wait), base_url=self.api.base_url)
        finally:
            if poller.is_idle and self._pollers.get(target) is poller:
                del self._pollers[target]

    async def close(self) -> None:
        """Close what was opened."""
        try:
            await self.api.aclose()
        except Exception:  # what was found matters more
            log.warning("A client could not be closed.", exc_info=True)


@dataclass(eq=False, slots=True)
class _Shared:
    """The state that the waits of one event loop share.

    Attributes:
        pools: The pools, by the fingerprint of their settings.
        sources: The connections, by their ids.
        current: The pool of each connection's settings, as of its last read.
        waits: How many waits are open.
    """

    pools: dict[str, PollerPool] = field(default_factory=dict)
    sources: dict[str, ConnectionSource] = field(default_factory=dict)
    current: dict[str, PollerPool] = field(default_factory=dict)
    waits: int = 0

    # Pairs of methods instead of context managers: with thousands of open waits, Python's garbage collector stops the
    # event loop for longer with every object that a wait keeps.

    def acquire_source(self, connection: str) -> ConnectionSource:
        """Return the source of a connection, to be released with :meth:`release_source`."""
        source = self.sources.get(connection)
        if source is None:
            source = self.sources[connection] = ConnectionSource(partial(self._share, connection))
        source.users += 1
        return source

    async def release_source(self, connection: str, source: ConnectionSource) -> None:
        """Close the source of a connection if nothing else uses it."""
        source.users -= 1
        if not source.users:
            del self.sources[connection]
            await source.close()
            if pool := self.current.pop(connection, None):
                await self.release_pool(pool)

    def acquire_pool(self, api: API) -> PollerPool:
        """Return the pool of an API that :meth:`_share` returned, to be released with :meth:`release_pool`."""
        pool = self.pools[api.fingerprint]
        pool.users += 1
        return pool

    async def release_pool(self, pool: PollerPool) -> None:
        """Close a pool if nothing else uses it."""
        pool.users -= 1
        if not pool.users:
            self.pools = {fingerprint: each for fingerprint, each in self.pools.items() if each is not pool}
            await pool.close()

    async def _share(self, connection: str, opened: API) -> API:
        pool = self.pools.get(opened.fingerprint)
        if pool is None:
            pool = self.pools[opened.fingerprint] = PollerPool(opened)
        # Otherwise the API that was opened is not needed. It has sent nothing, so there is nothing to close.
        before = self.current.get(connection)
        if before is not pool:
            pool.users += 1
            self.current[connection] = pool
            if before is not None:
                await self.release_pool(before)
        return pool.api


_shared: WeakKeyDictionary[asyncio.AbstractEventLoop, _Shared] = WeakKeyDictionary()

_NO_METRICS = WaitMetrics()


async def wait_for(connection: str, open_api: OpenAPI, wait: Wait, metrics: WaitMetrics = _NO_METRICS) -> WaitResult:
    """Wait for a version, sharing client and polls with all that wait in this event loop with equal settings.

    Args:
        connection: Names the connection.
        open_api: Reads the connection, and opens the API with its settings.
        wait: What to wait for.
        metrics: Receives the outcome of each poll, and the number of open waits.

    Returns:
        What was found.

    Raises:
        WriftAIError: What the wait ended with: see ``Poller.wait``.
    """
    shared = _shared.setdefault(asyncio.get_running_loop(), _Shared())
    refused: tuple[str, AuthenticationError] | None = None
    shared.waits += 1
    metrics.gauge(shared.waits)
    source = shared.acquire_source(connection)
    try:
        while True:
            api = await source.read(open_api)
            if isinstance(api, Exception):
                await _pause_after_failed_read(wait, api)
                continue
            wait.connection_was_read = True
            if refused is not None and api.fingerprint == refused[0]:
                raise refused[1]
            pool = shared.acquire_pool(api)
            source.follow(wait, api, open_api)
            try:
                return await pool.wait(wait, metrics)
            except ConnectionChangedError:
                continue
            except AuthenticationError as error:
                # The connection may have been given another token since it was read.
                refused = (api.fingerprint, error)
            finally:
                source.unfollow(wait)
                await shared.release_pool(pool)
    finally:
        shared.waits -= 1
        metrics.gauge(shared.waits)
        await shared.release_source(connection, source)


async def _pause_after_failed_read(wait: Wait, error: Exception) -> None:
    """Count a failed poll, and wait until the next one is due."""
    now = asyncio.get_running_loop().time()
    wait.join(now, None)
    # Even a connection that does not exist, if it existed before: a secrets backend that is down for a moment looks the
    # same.
    wait.fail(error, tolerate=wait.connection_was_read)
    wait.record_poll(now, now, f"The connection could not be read: {error}")
    if wait.result.done():
        await wait.result
    log.warning("A poll for %s failed, because the connection could not be read. %s", wait.criteria, error)
    pause = max(wait.due - now, 0.0)
    if math.isinf(wait.seconds):
        pause = Backoff(max(pause, 1.0), maximum=LONGEST_PAUSE).delay(wait.failures)
    await asyncio.sleep(pause)
