"""The open connections of the sandbox's server, so that one can be broken on purpose."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import cast

from starlette.types import Scope
from uvicorn.protocols.http.auto import AutoHTTPProtocol

_open: dict[tuple[str, int], asyncio.Transport] = {}


class KnownConnection(AutoHTTPProtocol):  # type: ignore[misc, valid-type]
    """uvicorn's HTTP, which notes its connections down."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note a connection down."""
        super().connection_made(transport)
        self._peer = transport.get_extra_info("peername")[:2]
        _open[self._peer] = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget a connection."""
        _open.pop(self._peer, None)
        super().connection_lost(exc)


async def reset(scope: Scope) -> None:
    """Break the connection of a request: its caller sees a reset instead of (the rest of) an answer."""
    transport = _open.get(tuple(scope["client"] or ())[:2])
    if transport is None:
        return
    connection = transport.get_extra_info("socket")
    # Without lingering, closing sends a reset.
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
    # By then the server knows that nobody waits for an answer any more.
    await asyncio.sleep(0)
