"""Keep web pages of other sites away from the sandbox.

A page that the developer visits can send requests to localhost. The browser then names the page's site: in ``Origin``,
or, if the page's own host name was made to resolve to this machine (DNS rebinding), in ``Host``.
"""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from airflow_provider_wriftai.client.base_url import is_loopback


class HostGuard:
    """Refuses requests for other hosts than this machine, and requests from pages of other sites.

    Args:
        app: The application to guard.
        allowed_hosts: Host names or addresses to serve as well, without a port.
    """

    def __init__(self, app: ASGIApp, allowed_hosts: Collection[str] = ()) -> None:
        self._app = app
        self._allowed_hosts = frozenset(host.lower() for host in allowed_hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        problem = self._problem(Headers(scope=scope)) if scope["type"] == "http" else None
        app = self._app if problem is None else JSONResponse({"detail": problem}, 403)
        await app(scope, receive, send)

    def _problem(self, headers: Headers) -> str | None:
        host, origin = headers.get("host", "").lower(), headers.get("origin")
        name = _without_port(host)
        if name not in self._allowed_hosts and not is_loopback(name):
            return "The sandbox serves this machine only. Use localhost, or start it with --allow-host."
        if origin is not None and urlsplit(origin.lower()).netloc != host:
            return "The sandbox does not serve pages of other sites."
        return None


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]
