"""Every endpoint once: the request, and the reader of its response."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, cast
from urllib.parse import quote

from airflow_provider_wriftai.client.common_types import Model, VersionConfiguration
from airflow_provider_wriftai.client.json_body import acceptable_members, parse_json, parse_leniently
from airflow_provider_wriftai.client.pagination import PaginatedResponse, PaginationOptions
from airflow_provider_wriftai.client.references import ModelReference, VersionId, VersionNumber, VersionReference
from airflow_provider_wriftai.client.response import NO_CONTENT, Response
from airflow_provider_wriftai.client.text import truncated_repr
from airflow_provider_wriftai.client.version import VersionRecord

T = TypeVar("T")

_LONGEST_CURSOR = 8192  # characters
_LARGEST_NUMBER = 10**18
_LONGEST_NAME = 1000  # characters
_MOST_VARIABLES = 1000


class UnexpectedBodyError(Exception):
    """A body violates the contract. The caller knows the request, and reports it."""


@dataclass(frozen=True, slots=True)
class Operation(Generic[T]):
    """One request, and the reader of its response.

    Attributes:
        method: The HTTP method.
        path: The path below the base URL, percent-encoded, with a leading slash.
        read: Turns a response with a 2xx status into the result; raises ``UnexpectedBodyError``.
        params: The query.
        body: What is sent as JSON; None for nothing.
    """

    method: str
    path: str
    read: Callable[[Response], T]
    params: Mapping[str, str | int] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None


def get_version(reference: VersionReference, *, strict: bool = False) -> Operation[VersionRecord]:
    """Fetch one version with its details.

    Args:
        reference: The version.
        strict: Whether a member that cannot be held (see ``parse_json``) is an error. Otherwise it is left out, so that
            no publisher can keep others from reading what they need of a version.
    """

    def read(response: Response) -> VersionRecord:
        return _read_details(_object(response, strict=strict), reference)

    return Operation("GET", _version_path(reference), read)


def delete_version(reference: VersionReference) -> Operation[bool]:
    """Delete one version. The result is whether the service confirmed the delete as its contract specifies."""
    return Operation("DELETE", _version_path(reference), _read_deleted)


def list_versions(
    model: ModelReference, options: PaginationOptions | None, *, strict: bool = False
) -> Operation[PaginatedResponse[VersionRecord]]:
    """Fetch one page of a model's versions, newest first.

    Args:
        model: The model.
        options: Which page.
        strict: As in :func:`get_version`, for each version of the page.
    """

    def read(response: Response) -> PaginatedResponse[VersionRecord]:
        return _read_page(response, lambda item: _read_version(item, model), strict=strict)

    return Operation("GET", _versions_path(model), read, params=_params(options))


def create_version(model: ModelReference, options: Mapping[str, Any]) -> Operation[VersionRecord]:
    """Create a version of a model.

    Members of the response that cannot be held are left out: the version was created, and its reference matters most.
    """
    digest = options.get("container_image_digest")

    def read(response: Response) -> VersionRecord:
        return _read_created(_object(response, strict=False), model, digest)

    return Operation("POST", _versions_path(model), read, body=options)


def get_configuration(reference: VersionReference) -> Operation[VersionConfiguration]:
    """Fetch the configuration of a version (generation 2)."""
    return Operation("GET", f"{_version_path(reference)}/configuration", _read_configuration)


def update_configuration(reference: VersionReference, params: Mapping[str, Any]) -> Operation[VersionConfiguration]:
    """Change the configuration of a version (generation 2). Repeating it changes nothing."""
    return Operation("PATCH", f"{_version_path(reference)}/configuration", _read_configuration, body=params)


def list_models(owner: str, options: PaginationOptions | None) -> Operation[PaginatedResponse[Model]]:
    """Fetch one page of the models of an owner."""
    # ModelReference validates the owner; the name does not matter.
    checked = ModelReference(owner, "any").owner

    def read(response: Response) -> PaginatedResponse[Model]:
        return _read_page(response, lambda item: _read_model(item, checked))

    return Operation("GET", _path("models", checked), read, params=_params(options))


def get_user() -> Operation[str]:
    """Fetch the name of the user that the token belongs to."""
    return Operation("GET", "/user", lambda response: _read_user_name(_object(response)))


def _params(options: PaginationOptions | None) -> Mapping[str, str | int]:
    given = cast("Mapping[str, str | int | None]", options or {})
    return {key: value for key, value in given.items() if value is not None}


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


def _object(response: Response, *, strict: bool = True) -> dict[str, Any]:
    try:
        body = parse_json(response.body)
    except ValueError as error:
        body = None if strict else _acceptable_part(response.body)
        if body is None:
            raise UnexpectedBodyError(f"a body that is not acceptable JSON ({error})") from error
    if not isinstance(body, dict):
        raise UnexpectedBodyError(f"a JSON {type(body).__name__} instead of an object")
    return body


def _acceptable_part(body: bytes) -> dict[str, Any] | None:
    """Read an object, or a page of them, without the members that cannot be held. None if there is no object."""
    try:
        value = parse_leniently(body)
    except ValueError:
        return None
    if not isinstance(value, dict):
        return None
    items = value.pop("items", None)
    kept = acceptable_members(value)
    if value.get("next_cursor") is not None and "next_cursor" not in kept:
        # Without it, this would look like the last page.
        raise UnexpectedBodyError("a page whose 'next_cursor' contains what no request can")
    if isinstance(items, list):
        kept["items"] = [acceptable_members(item) if isinstance(item, dict) else None for item in items]
    return kept


def _read_page(response: Response, read_item: Callable[[object], T], *, strict: bool = True) -> PaginatedResponse[T]:
    body = _object(response, strict=strict)
    items = body.get("items")
    if not isinstance(items, list):
        raise UnexpectedBodyError("a page without a list of 'items'")
    return PaginatedResponse(
        items=[read_item(item) for item in items],
        next_cursor=_optional_text(body, "next_cursor"),
        previous_cursor=_optional_text(body, "previous_cursor"),
        next_url=_optional_text(body, "next_url"),
        previous_url=_optional_text(body, "previous_url"),
        served_at=response.date,
    )


def _read_version(body: object, model: ModelReference | None) -> VersionRecord:
    if not isinstance(body, dict):
        raise UnexpectedBodyError(f"a version that is a JSON {type(body).__name__} instead of an object")
    return VersionRecord.parse(_reference_in(body, model), body)


def _read_details(body: object, requested: VersionReference) -> VersionRecord:
    version = _read_version(body, requested.model if isinstance(requested, VersionNumber) else None)
    # A cache between us and the service may respond with another version than the requested one.
    if str(version.reference).lower() != str(requested).lower():
        raise UnexpectedBodyError(f"version {truncated_repr(str(version.reference))} instead of {str(requested)!r}")
    return version


def _read_created(body: object, model: ModelReference, digest: object) -> VersionRecord:
    version = _read_version(body, model)
    if version.digest is not None and version.digest != digest:
        raise UnexpectedBodyError(f"a version of image {version.digest} instead of {digest}")
    return version


def _reference_in(body: Mapping[str, Any], model: ModelReference | None) -> VersionReference:
    number, version_id = body.get("number"), body.get("id")
    if model is not None and isinstance(number, int) and not isinstance(number, bool) and 0 < number < _LARGEST_NUMBER:
        return VersionNumber(model, number)
    if isinstance(version_id, str) and version_id:
        try:
            return VersionId(version_id)
        except ValueError as error:
            raise UnexpectedBodyError(f"a version whose id cannot be used in a request ({error})") from error
    raise UnexpectedBodyError("a version without a usable 'number' or 'id', so no request can name it")


def _read_configuration(response: Response) -> VersionConfiguration:
    body = _object(response)
    hardware, names = body.get("hardware_identifier"), body.get("variable_names")
    if not isinstance(hardware, str) or not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise UnexpectedBodyError("a configuration without 'hardware_identifier' and 'variable_names'")
    # Tasks return the configuration through XCom, so its size is limited.
    if len(names) > _MOST_VARIABLES or max(map(len, (hardware, *names))) > _LONGEST_NAME:
        raise UnexpectedBodyError(
            f"a configuration of more than {_MOST_VARIABLES} variables, or with a name of more than {_LONGEST_NAME} "
            "characters"
        )
    return cast("VersionConfiguration", body)


def _read_model(body: object, owner: str) -> Model:
    name = body.get("name") if isinstance(body, dict) else None
    # A service that lists an owner's models may name the owner as an object, or not at all.
    reported = body.get("owner", owner) if isinstance(body, dict) else owner
    reported = reported.get("username", owner) if isinstance(reported, dict) else reported
    if not isinstance(name, str) or not isinstance(reported, str):
        raise UnexpectedBodyError("a model without 'name' and 'owner'")
    if reported.lower() != owner.lower():
        raise UnexpectedBodyError(f"a model of {truncated_repr(reported)} instead of {owner!r}")
    try:
        reference = ModelReference(reported, name)
    except ValueError as error:
        raise UnexpectedBodyError(f"a model that no request can name ({error})") from error
    return Model(owner=reference.owner, name=reference.name)


def _read_deleted(response: Response) -> bool:
    # A web page comes from something between us and the service, which did not forward the request.
    body = response.body.strip()
    if body.startswith(b"<"):
        raise UnexpectedBodyError("a web page")
    return response is not NO_CONTENT and response.status in (200, 204) and body in (b"", b"{}", b"null")


def _read_user_name(body: Mapping[str, Any]) -> str:
    name = body.get("username") or body.get("name")
    if not isinstance(name, str):
        raise UnexpectedBodyError("a user without a name")
    return name


def _optional_text(body: Mapping[str, Any], key: str) -> str | None:
    value = body.get(key)
    if value is None:
        return None
    if isinstance(value, str) and len(value) <= _LONGEST_CURSOR:
        return value
    raise UnexpectedBodyError(
        f"a page whose {key!r} is a JSON {type(value).__name__} instead of a string of at most {_LONGEST_CURSOR} "
        "characters"
    )
