"""The httpx clients of one API: as many small ones as there are requests under way at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

import httpx

ClientT = TypeVar("ClientT", httpx.Client, httpx.AsyncClient)


class Clients(Generic[ClientT]):
    """Lends a client to each request, so that none has to share its connection pool.

    A pool looks at every request in flight whenever one begins or ends; a client of its own over the same
    TLS context costs next to nothing.

    Args:
        open_one: Makes another client.
    """

    def __init__(self, open_one: Callable[[], ClientT]) -> None:
        self._open_one: Callable[[], ClientT] = open_one
        # Its ends are safe to use from many threads.
        self._idle: deque[ClientT] = deque()

    @contextmanager
    def one(self) -> Iterator[ClientT]:
        """Lend a client: the one used last, whose connection is the likeliest to be open still."""
        try:
            client = self._idle.pop()
        except IndexError:
            client = self._open_one()
        try:
            yield client
        finally:
            self._idle.append(client)

    def taken_out(self) -> Iterator[ClientT]:
        """Give up every client that is not lent, for the caller to close."""
        while self._idle:
            yield self._idle.pop()
