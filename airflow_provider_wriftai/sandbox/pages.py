"""The pages for people: models, versions, and the latest requests."""

from __future__ import annotations

import json
import secrets
from typing import Any

from jinja2 import Environment, PackageLoader
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route

from airflow_provider_wriftai.sandbox.store import Store, parse_number

_templates = Environment(
    loader=PackageLoader("airflow_provider_wriftai.sandbox"), autoescape=True, trim_blocks=True, lstrip_blocks=True
)


class Pages:
    """HTML over a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def routes(self) -> list[Route]:
        """Return the pages, from the root on."""
        return [
            Route("/", self._models),
            Route("/models/{owner}/{name}", self._model),
            Route("/models/{owner}/{name}/versions/{number}", self._version),
            Route("/requests", self._requests),
        ]

    async def _models(self, request: Request) -> HTMLResponse:
        return _page("models.html", models=self._store.models(), database=self._store.path)

    async def _model(self, request: Request) -> HTMLResponse:
        owner, name = request.path_params["owner"], request.path_params["name"]
        if not self._store.has_model(owner, name):
            return _page("missing.html", 404, what=f"model {owner}/{name}")
        return _page("model.html", owner=owner, name=name, versions=self._store.versions(owner, name))

    async def _version(self, request: Request) -> HTMLResponse:
        owner, name = request.path_params["owner"], request.path_params["name"]
        number = parse_number(request.path_params["number"])
        version = None if number is None else self._store.version_by_number(owner, name, number)
        if version is None:
            return _page("missing.html", 404, what=f"such version of {owner}/{name}")
        return _page("version.html", version=version, schemas=json.dumps(version.schemas, indent=2))

    async def _requests(self, request: Request) -> HTMLResponse:
        return _page("requests.html", requests=self._store.requests())


def _page(template: str, status: int = 200, **values: Any) -> HTMLResponse:
    nonce = secrets.token_urlsafe(16)
    page = _templates.get_template(template).render(values, nonce=nonce)
    return HTMLResponse(page, status, headers=_security_headers(nonce))


def _security_headers(nonce: str) -> dict[str, str]:
    return {
        "content-security-policy": f"default-src 'none'; style-src 'nonce-{nonce}'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "cache-control": "no-store",
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
    }
