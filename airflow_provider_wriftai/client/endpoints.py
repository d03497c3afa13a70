"""Each endpoint once: what is asked, and how the response is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, cast
from urllib.parse import quote

from airflow_provider_wriftai.client.common_types import Version
from airflow_provider_wriftai.client.pagination import PaginatedResponse, PaginationOptions
from airflow_provider_wriftai.client.references import ModelReference, VersionId, VersionNumber, VersionReference
from airflow_provider_wriftai.client.response import NO_CONTENT, Response

T = TypeVar("T")


_LONGEST_TEXT = 8192


class UnexpectedBodyError(Exception):
    """A body that is not what the contract says; the caller knows the request and tells the user."""


@dataclass(frozen=True, slots=True)
class Operation(Generic[T]):
    """One request, and the reader of its response.

    Attributes:
        method: The HTTP method.
        path: The path below the base URL, percent-encoded, beginning with a slash.
        read: Turns a response with a 2xx status into the result; raises ``UnexpectedBodyError``.
        params: The query.
        body: What is sent as JSON; None for nothing.
    """

    method: str
    path: str
    read: Callable[[Response], T]
    params: Mapping[str, str | int] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None


def get_version(reference: VersionReference) -> Operation[Version]:
    """Fetch one version with its details."""
    model = reference.model if isinstance(reference, VersionNumber) else None
    return Operation("GET", _version_path(reference), lambda response: _read_version(_object(response), model))


def delete_version(reference: VersionReference) -> Operation[bool]:
    """Delete one version; the result tells whether the service itself said that it did."""
    return Operation("DELETE", _version_path(reference), _read_deleted)


def list_versions(model: ModelReference, options: PaginationOptions | None) -> Operation[PaginatedResponse[Version]]:
    """Fetch one page of a model's versions, newest first."""
    params = cast(
        "Mapping[str, str | int]", {key: value for key, value in (options or {}).items() if value is not None}
    )
    return Operation("GET", _versions_path(model), lambda response: _read_page(response, model), params=params)


def create_version(model: ModelReference, options: Mapping[str, Any]) -> Operation[Version]:
    """Create a version of a model."""
    digest = options.get("container_image_digest")

    def read(response: Response) -> Version:
        return _read_new_version(_object(response), model, digest)

    return Operation("POST", _versions_path(model), read, body=options)


def get_user() -> Operation[str]:
    """Fetch the name of the user to whom the token belongs."""
    return Operation("GET", "/user", lambda response: _read_user_name(_object(response)))


def _versions_path(model: ModelReference) -> str:
    return _path("models", model.owner, model.name, "versions")


def _version_path(reference: VersionReference) -> str:
    match reference:
        case VersionId(id=version_id):
            return _path("versions", version_id)
        case VersionNumber(model=model, number=number):
            return _path("models", model.owner, model.name, "versions", str(number))


def _path(*segments: str) -> str:
    return "".join("/" + quote(segment, safe="") for segment in segments)


def _object(response: Response) -> dict[str, Any]:
    try:
        body = response.json()
    except ValueError as error:
        raise UnexpectedBodyError(f"a body that is not JSON ({error})") from error
    if not isinstance(body, dict):
        raise UnexpectedBodyError(f"a JSON {type(body).__name__} where an object was expected")
    return body


def _read_page(response: Response, model: ModelReference) -> PaginatedResponse[Version]:
    body = _object(response)
    items = body.get("items")
    if not isinstance(items, list):
        raise UnexpectedBodyError("a page without a list of 'items'")
    return PaginatedResponse(
        items=[_read_version(item, model) for item in items],
        next_cursor=_optional_text(body, "next_cursor"),
        previous_cursor=_optional_text(body, "previous_cursor"),
        next_url=_optional_text(body, "next_url"),
        previous_url=_optional_text(body, "previous_url"),
        served_at=response.date,
    )


def _read_version(body: object, model: ModelReference | None) -> Version:
    if not isinstance(body, dict):
        raise UnexpectedBodyError(f"a version that is a JSON {type(body).__name__}, not an object")
    return cast("Version", {**body, "reference": _reference_in(body, model)})


def _read_new_version(body: object, model: ModelReference, digest: object) -> Version:
    version = _read_version(body, model)
    told = version.get("container_image_digest")
    if isinstance(told, str) and told != digest:
        raise UnexpectedBodyError("a version of another image than was asked for")
    return version


def _reference_in(body: Mapping[str, Any], model: ModelReference | None) -> str:
    number, version_id = body.get("number"), body.get("id")
    if model is not None and isinstance(number, int) and not isinstance(number, bool) and number > 0:
        return str(VersionNumber(model, number))
    if isinstance(version_id, str) and version_id:
        return str(_checked_id(version_id))
    raise UnexpectedBodyError("a version with neither a usable 'number' nor an 'id', so that nothing can name it")


def _checked_id(version_id: str) -> VersionId:
    try:
        return VersionId(version_id)
    except ValueError as error:
        raise UnexpectedBodyError(f"a version whose id cannot be used in a request: {error}") from error


def _read_deleted(response: Response) -> bool:
    # Any 2xx is one, with whatever body; but a web page comes from something in between that did not ask the service.
    if response.body.lstrip().startswith(b"<"):
        raise UnexpectedBodyError("a web page")
    return response is not NO_CONTENT


def _read_user_name(body: Mapping[str, Any]) -> str:
    name = body.get("username") or body.get("name")
    if not isinstance(name, str):
        raise UnexpectedBodyError("a user without a name")
    return name


def _optional_text(body: Mapping[str, Any], key: str) -> str | None:
    value = body.get(key)
    if value is None:
        return None
    if isinstance(value, str) and len(value) <= _LONGEST_TEXT:
        return value
    raise UnexpectedBodyError(
        f"a page whose {key!r} is a JSON {type(value).__name__}, not a string of at most {_LONGEST_TEXT} characters"
    )
