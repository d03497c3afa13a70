"""Read a connection once for many waits.

Every wait reads its connection when it begins, so that it uses the settings of that moment. Waits that begin together
share a read: a wait may use any read that began after itself, so a burst of thousands costs one or two. While waits are
open, the connection is read again every ``MAX_AGE`` seconds, and at once when the service refuses its token. When a
read returns other settings, all open waits go on with those. When a read fails, each wait counts a failed poll and
reads again at its own interval: a failed look-up may be a connection that was deleted, or a secrets backend that is
down.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeAlias

from airflow_provider_wriftai.client.api import API
from airflow_provider_wriftai.domain.waiting.wait import ConnectionChangedError, Wait

log = logging.getLogger(__name__)

MAX_AGE = 300.0
"""Seconds after which an open wait follows a changed connection at the latest."""

OpenAPI: TypeAlias = Callable[[], Awaitable[API]]
"""Reads a connection, and opens the API with its settings."""


class ConnectionSource:
    """One connection, for all waits of an event loop that name it.

    Args:
        share: Takes an API that was opened, and returns the one that all waits with equal settings share.

    Attributes:
        users: How many waits use it.
    """

    def __init__(self, share: Callable[[API], Awaitable[API]]) -> None:
        self.users = 0
        self._share = share
        self._current: asyncio.Task[API | Exception] | None = None
        self._next: asyncio.Task[API | Exception] | None = None
        self._waits: dict[Wait, str] = {}
        self._refresher: asyncio.Task[None] | None = None

    async def read(self, open_api: OpenAPI) -> API | Exception:
        """Read the connection, together with all callers at this time.

        Returns:
            The API; or why it could not be opened.
        """
        if self._next is None:
            # A read that is under way may miss a change that was made since it began.
            self._next = asyncio.get_running_loop().create_task(self._read(self._current, open_api))
        return await asyncio.shield(self._next)

    async def _read(self, previous: asyncio.Task[API | Exception] | None, open_api: OpenAPI) -> API | Exception:
        if previous is not None:
            await asyncio.wait({previous})
        # From here on, callers need another read.
        self._current, self._next = self._next, None
        try:
            api = await self._share(await open_api())
        except Exception as error:  # noqa: BLE001 - any failure belongs to the callers
            return error
        self._interrupt([wait for wait, fingerprint in self._waits.items() if fingerprint != api.fingerprint])
        return api

    @staticmethod
    def _interrupt(waits: Iterable[Wait]) -> None:
        """End waits such that they read the connection again, and go on."""
        for wait in list(waits):
            wait.end(ConnectionChangedError("The settings of the connection changed."))

    def follow(self, wait: Wait, api: API, open_api: OpenAPI) -> None:
        """Let a wait that uses an API follow changes of the connection, until :meth:`unfollow`."""
        self._waits[wait] = api.fingerprint
        if self._refresher is None:
            # Not in the context of this wait: what is logged would be attributed to it.
            self._refresher = asyncio.get_running_loop().create_task(
                self._refresh(open_api), context=contextvars.Context()
            )

    def unfollow(self, wait: Wait) -> None:
        """Let a wait no longer follow changes of the connection."""
        del self._waits[wait]

    async def _refresh(self, open_api: OpenAPI) -> None:
        while True:
            await asyncio.sleep(MAX_AGE)
            outcome = await self.read(open_api)
            if isinstance(outcome, Exception):
                log.warning("Cannot re-read the connection of open waits. %s", outcome)
                self._interrupt(self._waits)

    async def close(self) -> None:
        """Stop following the connection."""
        tasks = {task for task in (self._refresher, self._current, self._next) if task is not None and not task.done()}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
