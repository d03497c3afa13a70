"""The httpx transports of one API: as many small ones as there are requests under way at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx

from airflow_provider_wriftai.client.base_url import is_loopback
from airflow_provider_wriftai.client.errors import ConfigurationError

TransportT = TypeVar("TransportT", httpx.BaseTransport, httpx.AsyncBaseTransport)


class TransportPool(Generic[TransportT]):
    """Lends a transport to each request, so that none has to share its connection pool.

    A pool looks at every request in flight whenever one begins or ends; a transport of its own over the same
    TLS context costs next to nothing. httpx's client above the transports is left out: what it adds (cookies,
    redirects, credentials from the environment) is not wanted here, and costs a tenth of a request.

    Args:
        open_one: Makes another transport.
    """

    def __init__(self, open_one: Callable[[], TransportT]) -> None:
        self._open_one: Callable[[], TransportT] = open_one
        # Its ends are safe to use from many threads.
        self._idle: deque[TransportT] = deque()

    @contextmanager
    def one(self) -> Iterator[TransportT]:
        """Lend a transport: the one used last, whose connection is the likeliest to be open still."""
        try:
            transport = self._idle.pop()
        except IndexError:
            transport = self._opened()
        try:
            yield transport
        finally:
            self._idle.append(transport)

    def _opened(self) -> TransportT:
        try:
            return self._open_one()
        except ImportError as error:
            # A SOCKS proxy, for which httpx needs another package.
            raise ConfigurationError(f"No connection can be made: {error}") from error

    def drain(self) -> Iterator[TransportT]:
        """Give up every transport that is not lent, for the caller to close."""
        while self._idle:
            yield self._idle.pop()


def proxy_for(base_url: str) -> httpx.Proxy | None:
    """Find the proxy that the environment names for a URL (``HTTPS_PROXY``, ``NO_PROXY``, …).

    Returns:
        The proxy; None where there is none, and for this machine: a proxy is not to see what is meant for it.

    Raises:
        ConfigurationError: What the environment names is no proxy. The text never shows its password.
    """
    parts = urlsplit(base_url)
    host = parts.hostname or ""
    if is_loopback(host) or proxy_bypass(host):
        return None
    try:
        named = getproxies()
        url = named.get(parts.scheme) or named.get("all")
        return httpx.Proxy(url if "://" in url else f"http://{url}") if url else None
    except (httpx.InvalidURL, ValueError):
        # Raised outside of this block and without its variables, which hold the password.
        del named, url
    raise ConfigurationError(
        "The proxy that the environment names (HTTPS_PROXY, HTTP_PROXY or ALL_PROXY) is not the URL of one."
    )
