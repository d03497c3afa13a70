"""A deadline for a whole synchronous exchange.

httpx's timeouts are for one read each, so a server that sends a byte now and then holds a request for as long as it
likes. Asynchronous requests run in ``asyncio.timeout``. For synchronous ones, the network streams of httpcore are
wrapped here, so that each read and write is given the time that is left, and no more.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterable
from typing import Any

import httpcore
import httpx


class Deadline:
    """When the current exchange has to be over, by ``time.monotonic``."""

    def __init__(self) -> None:
        self.at = float("inf")

    def limit(self, timeout: float | None, error: type[Exception]) -> float | None:
        """Shorten a timeout to what is left.

        Raises:
            Exception: Nothing is left; it is of the class ``error``.
        """
        if self.at == float("inf"):
            return timeout
        left = self.at - time.monotonic()
        if left <= 0:
            raise error("The deadline of the exchange has passed")
        return left if timeout is None else min(timeout, left)


class _DeadlineStream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream, deadline: Deadline) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._deadline.limit(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._deadline.limit(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        limited = self._deadline.limit(timeout, httpcore.ConnectTimeout)
        return _DeadlineStream(self._stream.start_tls(ssl_context, server_hostname, limited), self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class _DeadlineBackend(httpcore.NetworkBackend):
    def __init__(self, backend: httpcore.NetworkBackend, deadline: Deadline) -> None:
        self._backend = backend
        self._deadline = deadline

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        limited = self._deadline.limit(timeout, httpcore.ConnectTimeout)
        stream = self._backend.connect_tcp(host, port, limited, local_address, socket_options)
        return _DeadlineStream(stream, self._deadline)

    def sleep(self, seconds: float) -> None:
        self._backend.sleep(seconds)


class DeadlineTransport(httpx.HTTPTransport):
    """An httpx transport whose exchanges end at a deadline. It serves one exchange at a time.

    Attributes:
        deadline: The deadline of the current exchange.
    """

    def __init__(self, *, verify: ssl.SSLContext, proxy: httpx.Proxy | None) -> None:
        super().__init__(verify=verify, proxy=proxy)
        self.deadline = Deadline()
        # httpx has no parameter for httpcore's public one; this is where both keep it.
        pool: Any = self._pool
        pool._network_backend = _DeadlineBackend(pool._network_backend, self.deadline)
