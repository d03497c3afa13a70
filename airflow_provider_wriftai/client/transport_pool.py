"""The httpx transports of one API: as many small ones as there are requests under way at once."""

from __future__ import annotations

import ipaddress
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx

from airflow_provider_wriftai.client.base_url import is_loopback
from airflow_provider_wriftai.client.errors import ConfigurationError

_HIGHEST_PORT = 65535

TransportT = TypeVar("TransportT", httpx.BaseTransport, httpx.AsyncBaseTransport)


class TransportPool(Generic[TransportT]):
    """Lends a transport to each request, so that none has to share its connection pool.

    A pool scans all requests in flight whenever one begins or ends; a transport of its own over the same
    TLS context costs next to nothing. httpx's client above the transports is left out: what it adds (cookies,
    redirects, credentials from the environment) is not wanted here, and costs a tenth of a request.

    Args:
        open_transport: Makes another transport.
    """

    def __init__(self, open_transport: Callable[[], TransportT]) -> None:
        self._open: Callable[[], TransportT] = open_transport
        # Its ends are safe to use from many threads.
        self._idle: deque[TransportT] = deque()

    @contextmanager
    def lend(self) -> Iterator[TransportT]:
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
            return self._open()
        except ImportError as error:
            # A SOCKS proxy, which httpx supports only with another package.
            raise ConfigurationError(f"No connection can be made: {error}") from error

    def drain(self) -> Iterator[TransportT]:
        """Remove and yield every idle transport, for the caller to close."""
        while self._idle:
            yield self._idle.pop()


def find_proxy(base_url: str) -> httpx.Proxy | None:
    """Find the proxy that the environment names for a URL (``HTTPS_PROXY``, ``HTTP_PROXY``, ``ALL_PROXY``,
    ``NO_PROXY``).

    ``NO_PROXY`` is a comma-separated list of hosts, domains, ``host:port``, and networks (``10.0.0.0/8``, for hosts
    that are written as IP addresses), or ``*``.

    Returns:
        The proxy; None without one, and for this machine, whose traffic no proxy should see.

    Raises:
        ConfigurationError: The environment names something that is not a proxy. The message never shows its password.
    """
    parts = urlsplit(base_url)
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    if is_loopback(host) or proxy_bypass(f"{host}:{port}") or _is_in_exempt_network(host):
        return None
    proxies = getproxies()
    url = proxies.get(parts.scheme) or proxies.get("all")
    if not url:
        return None
    proxy = None
    try:
        proxy = httpx.Proxy(url if "://" in url else f"http://{url}")
        if (proxy.url.port or 0) <= _HIGHEST_PORT:
            return proxy
    except (httpx.InvalidURL, ValueError):
        pass
    # Raised without the variables and outside of the block: they hold the password.
    del proxies, url, proxy
    raise ConfigurationError(
        "The proxy that the environment names (HTTPS_PROXY, HTTP_PROXY, or ALL_PROXY) is not a valid proxy URL, "
        "such as http://proxy.example.com:3128."
    )


def _is_in_exempt_network(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    for exempt in getproxies().get("no", "").split(","):
        try:
            if address in ipaddress.ip_network(exempt.strip(), strict=False):
                return True
        except ValueError:
            continue
    return False
