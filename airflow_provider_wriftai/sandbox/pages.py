"""The pages for people: models, versions, and what was asked of the sandbox."""

from __future__ import annotations

import json
from typing import Any

from jinja2 import Environment, PackageLoader
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route

from airflow_provider_wriftai.sandbox.store import Store

_templates = Environment(
    loader=PackageLoader("airflow_provider_wriftai.sandbox"), autoescape=True, trim_blocks=True, lstrip_blocks=True
)


class Pages:
    """HTML over a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def routes(self) -> list[Route]:
        """The pages, from the root on."""
        return [
            Route("/", self._models),
            Route("/models/{owner}/{name}", self._model),
            Route("/models/{owner}/{name}/versions/{number:int}", self._version),
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
        owner, name, number = (request.path_params[key] for key in ("owner", "name", "number"))
        version = self._store.version_by_number(owner, name, number) if number < 2**63 else None
        if version is None:
            return _page("missing.html", 404, what=f"version {owner}/{name}:{number}")
        return _page("version.html", version=version, schemas=json.dumps(version.schemas, indent=2))

    async def _requests(self, request: Request) -> HTMLResponse:
        return _page("requests.html", requests=self._store.requests())


def _page(template: str, status: int = 200, **values: Any) -> HTMLResponse:
    return HTMLResponse(_templates.get_template(template).render(values), status)
