"""The sandbox as an ASGI application."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route, Router

from airflow_provider_wriftai.sandbox.api import VersionsAPI
from airflow_provider_wriftai.sandbox.fault_middleware import FaultMiddleware, FaultsEndpoint, release
from airflow_provider_wriftai.sandbox.faults import Faults
from airflow_provider_wriftai.sandbox.generations import generation_1, generation_2
from airflow_provider_wriftai.sandbox.pages import Pages
from airflow_provider_wriftai.sandbox.rate_limit import RateLimit
from airflow_provider_wriftai.sandbox.store import Store


def create_app(
    store: Store,
    rate_limit: RateLimit | None = None,
    *,
    generation: int = 2,
    digest_in_lists: bool = False,
    delete_with_body: bool = False,
    faults: Faults | None = None,
) -> Starlette:
    """Build the sandbox.

    Args:
        store: Where everything is kept.
        rate_limit: What a caller may ask, and how often; None for no limit.
        generation: Which generation of the API is served at ``/v1``. Both are always served at
            ``/generation-1/v1`` and ``/generation-2/v1``, over the same data.
        digest_in_lists: Whether lists of generation 2 carry the image digest.
        delete_with_body: Whether a delete is answered 200 and JSON, as the official clients up to 0.34.0
            need it, instead of 204 and nothing.
        faults: What is to go wrong with requests to the API; more can be asked for at ``/faults``.

    Returns:
        The application; its root is a page for people.
    """
    rate_limit = rate_limit or RateLimit(None, None)
    faults = faults or Faults()
    by_number = {1: generation_1(), 2: generation_2(digest_in_lists=digest_in_lists)}
    served = {
        number: Router(VersionsAPI(store, rate_limit, shape, delete_with_body=delete_with_body).routes())
        for number, shape in by_number.items()
    }
    app = Starlette(
        routes=[
            Mount("/generation-1/v1", FaultMiddleware(served[1], faults, store)),
            Mount("/generation-2/v1", FaultMiddleware(served[2], faults, store)),
            Mount("/v1", FaultMiddleware(served[generation], faults, store)),
            Route("/faults", FaultsEndpoint),
            Route("/faults/release", release, methods=["POST"]),
            *Pages(store).routes(),
        ],
        exception_handlers={HTTPException: _not_served},
    )
    app.state.faults = faults
    return app


async def _not_served(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    return JSONResponse({"detail": error.detail if isinstance(error, HTTPException) else "Internal error"}, status)
