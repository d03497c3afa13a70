"""The sandbox as an ASGI application."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route, Router

from airflow_provider_wriftai.sandbox.api import VersionsAPI
from airflow_provider_wriftai.sandbox.fault_middleware import FaultMiddleware, FaultsEndpoint, release
from airflow_provider_wriftai.sandbox.faults import Faults
from airflow_provider_wriftai.sandbox.host_guard import HostGuard
from airflow_provider_wriftai.sandbox.pages import Pages
from airflow_provider_wriftai.sandbox.rate_limit import RateLimit
from airflow_provider_wriftai.sandbox.shapes import GENERATION_1, GENERATION_2, SHAPES, Shape, shape_of
from airflow_provider_wriftai.sandbox.store import Store


def create_app(
    store: Store,
    rate_limit: RateLimit | None = None,
    *,
    shape: str = GENERATION_2.name,
    digest_in_lists: bool = False,
    delete_with_body: bool = False,
    allowed_hosts: Collection[str] = (),
    faults: Faults | None = None,
) -> Starlette:
    """Build the sandbox.

    The API is served at ``/v1`` in the shape that was chosen, at ``/shapes/<name>/v1`` in each of ``SHAPES``, and at
    ``/generation-1/v1`` and ``/generation-2/v1`` in the oldest and the newest of them, all over the same data.

    Args:
        store: The data.
        rate_limit: The limit on requests; None for no limit.
        shape: The shape of the API at ``/v1``, named by a release of the official client that speaks it, for example
            ``0.24`` or ``0.26.0``.
        digest_in_lists: Whether lists in the newest shape have the image digest, as on some deployments.
        delete_with_body: Whether to respond to a delete with 200 and JSON, which the official clients up to 0.34.0
            need, instead of 204 and no body.
        allowed_hosts: Host names or addresses to serve besides localhost.
        faults: The faults to inject into requests to the API. More can be added at ``/faults``.

    Returns:
        The application. Its root is a page for people.

    Raises:
        ValueError: The shape is unknown.
    """
    rate_limit = rate_limit or RateLimit(None, None)
    faults = faults or Faults()
    newest = replace(GENERATION_2, digest_in_lists=digest_in_lists)

    def mounted(path: str, served: Shape) -> Mount:
        shown = newest if served is GENERATION_2 else served
        api = VersionsAPI(store, rate_limit, shown, delete_with_body=delete_with_body)
        return Mount(f"{path}/v1", FaultMiddleware(Router(api.routes()), faults, store))

    app = Starlette(
        routes=[
            mounted("/generation-1", GENERATION_1),
            mounted("/generation-2", GENERATION_2),
            *(mounted(f"/shapes/{each.name}", each) for each in SHAPES),
            mounted("", shape_of(shape)),
            Route("/faults", FaultsEndpoint),
            Route("/faults/release", release, methods=["POST"]),
            *Pages(store).routes(),
        ],
        middleware=[Middleware(HostGuard, allowed_hosts=allowed_hosts)],
        exception_handlers={HTTPException: _http_error},
    )
    app.state.faults = faults
    return app


async def _http_error(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    return JSONResponse({"detail": error.detail if isinstance(error, HTTPException) else "Internal error"}, status)
