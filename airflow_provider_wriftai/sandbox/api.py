"""The endpoints of the API, once for each generation."""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from airflow_provider_wriftai.sandbox.generations import Generation, page_of
from airflow_provider_wriftai.sandbox.rate_limit import RateLimit
from airflow_provider_wriftai.sandbox.store import Store, StoredVersion
from airflow_provider_wriftai.sandbox.validation import (
    Configuration,
    ConfigurationChange,
    CreateVersion,
    Page,
    RefusedError,
    validated,
)

_LARGEST_BODY = 4 * 1024 * 1024

Endpoint = Callable[["AuthenticatedRequest"], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class AuthenticatedRequest:
    """A request whose caller is known; ``owner`` is None for one without a token."""

    request: Request
    owner: str | None

    def path(self, name: str) -> str:
        return str(self.request.path_params[name])

    async def json(self) -> Any:
        body = await self.request.body()
        if len(body) > _LARGEST_BODY:
            raise HTTPException(413, "The body is larger than 4 MiB")
        try:
            parsed = json.loads(body, parse_constant=_no_number)
            json.dumps(parsed, ensure_ascii=False).encode()
        except (ValueError, RecursionError) as error:
            raise RefusedError(
                [{"loc": ["body"], "msg": f"JSON decode error: {error}", "type": "json_invalid"}]
            ) from error
        return parsed


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no JSON")


class VersionsAPI:
    """The versions API over a store.

    Args:
        store: Where everything is kept.
        rate_limit: What a caller may ask, and how often.
        generation: How versions and pages are shown, and how a version is named.
        delete_with_body: Whether a delete is answered 200 and JSON instead of 204 and nothing.
    """

    def __init__(
        self, store: Store, rate_limit: RateLimit, generation: Generation, *, delete_with_body: bool = False
    ) -> None:
        self._store = store
        self._rate_limit = rate_limit
        self._generation = generation
        self._delete_with_body = delete_with_body

    def routes(self) -> list[Route]:
        """The endpoints below the base URL."""
        one = "/versions/{id}" if self._generation.number == 1 else "/models/{owner}/{name}/versions/{number:int}"
        endpoints: list[tuple[str, str, Endpoint]] = [
            ("GET", "/user", self._user),
            ("GET", "/models/{owner}/{name}/versions", self._list),
            ("POST", "/models/{owner}/{name}/versions", self._create),
            ("GET", one, self._get),
            ("DELETE", one, self._delete),
        ]
        if self._generation.number == 2:
            endpoints += [
                ("GET", one + "/configuration", self._get_configuration),
                ("PATCH", one + "/configuration", self._change_configuration),
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

    async def _user(self, asked: AuthenticatedRequest) -> Response:
        owner = _signed_in(asked)
        return JSONResponse({"id": owner, "account_id": owner, "username": owner, "name": owner})

    async def _list(self, asked: AuthenticatedRequest) -> Response:
        owner, name = self._model(asked)
        page = validated(Page, dict(asked.request.query_params), "query")
        url = str(asked.request.url.replace(query=""))
        return JSONResponse(page_of(self._generation, self._store, owner, name, page=page, url=url))

    async def _create(self, asked: AuthenticatedRequest) -> Response:
        _signed_in(asked)
        owner, name = self._model(asked)
        _check_owner(asked, owner)
        body = validated(CreateVersion, await asked.json(), "body")
        version = self._store.create_version(owner, name, **body.model_dump(exclude_none=True))
        return JSONResponse(self._generation.created(version), 201)

    async def _get(self, asked: AuthenticatedRequest) -> Response:
        return JSONResponse(self._generation.details(self._version(asked)))

    async def _delete(self, asked: AuthenticatedRequest) -> Response:
        _signed_in(asked)
        version = self._version(asked)
        _check_owner(asked, version.owner)
        self._store.delete_version(version)
        return JSONResponse({}) if self._delete_with_body else Response(status_code=204)

    async def _get_configuration(self, asked: AuthenticatedRequest) -> Response:
        return JSONResponse(self._version(asked).configuration)

    async def _change_configuration(self, asked: AuthenticatedRequest) -> Response:
        _signed_in(asked)
        version = self._version(asked)
        _check_owner(asked, version.owner)
        change = validated(ConfigurationChange, await asked.json(), "body")
        configuration = version.configuration | change.model_dump(exclude_none=True)
        self._store.set_configuration(version, validated(Configuration, configuration, "body").model_dump())
        return JSONResponse(configuration)

    def _model(self, asked: AuthenticatedRequest) -> tuple[str, str]:
        owner, name = asked.path("owner"), asked.path("name")
        if not self._store.has_model(owner, name):
            raise HTTPException(404, "Model not found")
        return owner, name

    def _version(self, asked: AuthenticatedRequest) -> StoredVersion:
        if self._generation.number == 1:
            version = self._store.version_by_id(asked.path("id"))
        else:
            number = asked.request.path_params["number"]
            owner, name = asked.path("owner"), asked.path("name")
            version = self._store.version_by_number(owner, name, number) if number < 2**63 else None
        if version is None:
            raise HTTPException(404, "Model version not found")
        return version


def _bearer_token(request: Request) -> str | None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def _signed_in(asked: AuthenticatedRequest) -> str:
    if asked.owner is None:
        raise HTTPException(401, "Not authenticated")
    return asked.owner


def _check_owner(asked: AuthenticatedRequest, owner: str) -> None:
    if asked.owner != owner:
        raise HTTPException(403, f"Only {owner} may change this model")


def _problem(status: int, detail: str) -> Response:
    return JSONResponse({"detail": detail}, status)
