"""The endpoints of the API, in any of its shapes."""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from airflow_provider_wriftai.sandbox.bodies import read_json
from airflow_provider_wriftai.sandbox.rate_limit import RateLimit
from airflow_provider_wriftai.sandbox.shapes import Shape
from airflow_provider_wriftai.sandbox.store import COMPATIBILITIES, Store, StoredVersion, parse_number
from airflow_provider_wriftai.sandbox.validation import (
    Configuration,
    ConfigurationChange,
    CreateCompatibleVersion,
    CreateConfiguredVersion,
    CreateFlatVersion,
    CreateVersion,
    Page,
    RefusedError,
    validated,
)

Endpoint = Callable[["AuthenticatedRequest"], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class AuthenticatedRequest:
    """A request whose caller is known.

    Attributes:
        request: The request.
        owner: The owner that the caller's token acts for; None without a token.
    """

    request: Request
    owner: str | None

    def path(self, name: str) -> str:
        """Return a parameter of the path."""
        return str(self.request.path_params[name])


class VersionsAPI:
    """The versions API over a store.

    Args:
        store: The data.
        rate_limit: The limit on requests.
        shape: The shape in which versions and pages are shown.
        delete_with_body: Whether to respond to a delete with 200 and JSON instead of 204 and no body.
    """

    def __init__(self, store: Store, rate_limit: RateLimit, shape: Shape, *, delete_with_body: bool = False) -> None:
        self._store = store
        self._rate_limit = rate_limit
        self._shape = shape
        self._delete_with_body = delete_with_body

    def routes(self) -> list[Route]:
        """Return the endpoints below the base URL."""
        one = "/versions/{id}" if self._shape.version_key == "id" else "/models/{owner}/{name}/versions/{number}"
        endpoints: list[tuple[str, str, Endpoint]] = [
            ("GET", "/user", self._user),
            ("GET", "/models/{owner}", self._list_models),
            ("GET", "/models/{owner}/{name}/versions", self._list),
            ("POST", "/models/{owner}/{name}/versions", self._create),
            ("GET", one, self._get),
            ("DELETE", one, self._delete),
        ]
        if self._shape.configuration:
            endpoints += [
                ("GET", one + "/configuration", self._get_configuration),
                ("PATCH", one + "/configuration", self._update_configuration),
            ]
        return [Route(path, self._guard(endpoint), methods=[method]) for method, path, endpoint in endpoints]

    def _guard(self, endpoint: Endpoint) -> Callable[[Request], Awaitable[Response]]:
        async def guarded(request: Request) -> Response:
            token = _bearer_token(request)
            owner = self._store.owner_of_token(token) if token else None
            caller = token or f"anonymous {request.client.host if request.client else ''}"
            allowed, headers = self._rate_limit.take(caller, signed_in=owner is not None)
            if not allowed:
                response: Response = _problem(429, "Rate limit exceeded")
            elif token and owner is None:
                response = _problem(401, "Invalid access token")
            else:
                try:
                    response = await endpoint(AuthenticatedRequest(request, owner))
                except HTTPException as error:
                    response = _problem(error.status_code, error.detail)
                except RefusedError as error:
                    response = JSONResponse({"detail": error.detail}, 422)
                except sqlite3.OperationalError as error:
                    response = _problem(507, f"The sandbox's database cannot be used: {error}")
            response.headers.update(headers)
            response.headers["x-request-id"] = uuid.uuid4().hex
            self._store.record_request(owner, request.method, request.url.path, response.status_code)
            return response

        return guarded

    async def _user(self, request: AuthenticatedRequest) -> Response:
        owner = _require_owner(request)
        return JSONResponse({"id": owner, "account_id": owner, "username": owner, "name": owner})

    async def _list_models(self, request: AuthenticatedRequest) -> Response:
        owner = request.path("owner")
        if not self._store.has_owner(owner):
            raise HTTPException(404, "User not found")
        models = self._store.models_of(owner)
        page = models.page(
            _page(request), lambda model: {"name": model.name, "owner": model.owner}, self._page_url(request)
        )
        return JSONResponse(page)

    async def _list(self, request: AuthenticatedRequest) -> Response:
        versions = self._store.versions_of(*self._model(request))
        return JSONResponse(versions.page(_page(request), self._shape.item, self._page_url(request)))

    async def _create(self, request: AuthenticatedRequest) -> Response:
        _require_owner(request)
        owner, name = self._model(request)
        _check_owner(request, owner)
        body = await read_json(request.request)
        validated(_create_body(self._shape), body, "body")
        version = self._store.create_version(
            owner,
            name,
            release_notes=body["release_notes"],
            schemas=body["schemas"],
            container_image_digest=body["container_image_digest"],
            compatibilities=_compatibilities(self._shape, body),
            configuration=body.get("configuration"),
        )
        return JSONResponse(self._shape.created(version), 201)

    async def _get(self, request: AuthenticatedRequest) -> Response:
        return JSONResponse(self._shape.details(self._version(request)))

    async def _delete(self, request: AuthenticatedRequest) -> Response:
        _require_owner(request)
        version = self._version(request)
        _check_owner(request, version.owner)
        self._store.delete_version(version)
        return JSONResponse({}) if self._delete_with_body else Response(status_code=204)

    async def _get_configuration(self, request: AuthenticatedRequest) -> Response:
        return JSONResponse(self._version(request).configuration)

    async def _update_configuration(self, request: AuthenticatedRequest) -> Response:
        _require_owner(request)
        version = self._version(request)
        _check_owner(request, version.owner)
        change = validated(ConfigurationChange, await read_json(request.request), "body")
        configuration = version.configuration | change.model_dump(exclude_unset=True)
        self._store.set_configuration(version, validated(Configuration, configuration, "body").model_dump())
        return JSONResponse(configuration)

    def _model(self, request: AuthenticatedRequest) -> tuple[str, str]:
        owner, name = request.path("owner"), request.path("name")
        if not self._store.has_model(owner, name):
            raise HTTPException(404, "Model not found")
        return owner, name

    def _version(self, request: AuthenticatedRequest) -> StoredVersion:
        if self._shape.version_key == "id":
            version = self._store.version_by_id(request.path("id"))
        else:
            number = parse_number(request.path("number"))
            owner, name = request.path("owner"), request.path("name")
            version = None if number is None else self._store.version_by_number(owner, name, number)
        if version is None:
            raise HTTPException(404, "Model version not found")
        return version

    def _page_url(self, request: AuthenticatedRequest) -> str | None:
        return str(request.request.url.replace(query="")) if self._shape.page_urls else None


def _create_body(shape: Shape) -> type[CreateVersion]:
    if shape.configuration:
        return CreateConfiguredVersion
    by_compatibilities = {None: CreateVersion, "flat": CreateFlatVersion, "nested": CreateCompatibleVersion}
    return by_compatibilities[shape.compatibilities]


def _compatibilities(shape: Shape, body: Mapping[str, Any]) -> dict[str, bool]:
    given = body if shape.compatibilities == "flat" else body.get("compatibilities") or {}
    return {key: bool(given[key]) for key in COMPATIBILITIES if key in given}


def _page(request: AuthenticatedRequest) -> Page:
    return validated(Page, dict(request.request.query_params), "query")


def _bearer_token(request: Request) -> str | None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def _require_owner(request: AuthenticatedRequest) -> str:
    if request.owner is None:
        raise HTTPException(401, "Not authenticated")
    return request.owner


def _check_owner(request: AuthenticatedRequest, owner: str) -> None:
    if request.owner != owner:
        raise HTTPException(403, f"Only {owner} may change this model")


def _problem(status: int, detail: str) -> Response:
    return JSONResponse({"detail": detail}, status)
