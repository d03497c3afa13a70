"""Every error of the client, and the one reader of error bodies.

The tree::

    WriftAIError
    ├── ConfigurationError            a setting that no request can work with
    ├── InvalidReferenceError         a model or version is named in a way that cannot be meant
    ├── PaginationError               a listing that does not end
    └── RequestError                  about one request
        ├── ConnectionFailedError     no response came
        │   └── RequestTimeoutError   … in time
        ├── UnreadableResponseError   a response that is not what the API promises
        └── APIError                  the API said no
            ├── AuthenticationError   401
            ├── PermissionDeniedError 403
            ├── NotFoundError         404
            ├── ConflictError         409
            ├── InvalidRequestError   422
            ├── RateLimitedError      429
            └── ServerError           5xx

The rules (``publishing``, ``retention``) derive theirs from ``WriftAIError`` too.
"""

from __future__ import annotations

import http
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

_LONGEST_DETAIL = 500

_GIVEN_UP = (408, 499)
"""Statuses with which a proxy says that it did not wait for the service."""


class WriftAIError(Exception):
    """Base of every error that this package raises on purpose. All of them pickle."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (type(self), self.args, self.__dict__.copy())


def _restore(cls: type[WriftAIError], args: tuple[Any, ...], state: dict[str, Any]) -> WriftAIError:
    error = cls.__new__(cls, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class ConfigurationError(WriftAIError, ValueError):
    """A setting (base URL, token, timeout, ...) with which no request can be made."""


class InvalidReferenceError(WriftAIError, ValueError):
    """The name of a model or version is not one: see ``references``."""


class PaginationError(WriftAIError):
    """A listing that led back to a page already read, so that it would never end."""


class RequestError(WriftAIError):
    """Something went wrong with one request.

    Attributes:
        method: The HTTP method of the request.
        path: Its path below the base URL.
        problem: What went wrong.
        advice: What to do about it.
        ambiguous: Whether the service may have carried the request out all the same.
    """

    advice: str = ""
    ambiguous: bool = False

    def __init__(self, method: str, path: str, problem: str, *, advice: str | None = None) -> None:
        self.method = method
        self.path = path
        self.problem = problem
        if advice is not None:
            self.advice = advice
        super().__init__(f"{method} {path} {problem}{'. ' + self.advice if self.advice else ''}")


class ConnectionFailedError(RequestError):
    """No response was received: the connection could not be made, or broke."""

    advice = "Check that the connection's host, port and protocol (http or https) are right, and reachable from here."

    def __init__(self, method: str, path: str, problem: str, *, ambiguous: bool, advice: str | None = None) -> None:
        super().__init__(method, path, problem, advice=advice)
        self.ambiguous = ambiguous


class RequestTimeoutError(ConnectionFailedError):
    """No response was received in time."""

    advice = "The service may be slow or down; the timeout is set on the connection."


class UnreadableResponseError(RequestError):
    """A response arrived that is not what the API's contract says, or is too large."""

    advice = (
        "Check that the connection's host is the URL of the WriftAI API, like https://api.wrift.ai/v1, and not of "
        "another site or a proxy."
    )
    ambiguous = True


class APIError(RequestError):
    """The API answered with an error status.

    Attributes:
        status: The HTTP status code.
        detail: What the service said about it, at most 500 characters.
        request_id: The service's id of the request, where it sent one.
        retry_after: Seconds after which the service wants to be asked again, where it said so.
    """

    def __init__(
        self,
        method: str,
        path: str,
        status: int,
        detail: str,
        *,
        request_id: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        self.status = status
        self.detail = detail
        self.request_id = request_id
        self.retry_after = retry_after
        self.ambiguous = status >= 500 or 300 <= status < 400 or status in _GIVEN_UP
        said = f": {detail}" if detail else ""
        traced = f" (request id {request_id})" if request_id else ""
        super().__init__(method, path, f"was answered {status} {_phrase(status)}{said}{traced}")


class AuthenticationError(APIError):
    """401: no token, or one that the service does not know."""

    advice = "Set a valid access token as the password of the Airflow connection."


class PermissionDeniedError(APIError):
    """403: the token is good, but not for this."""

    advice = "Use the access token of somebody who may do this to the model."


TOKEN_REFUSED = (AuthenticationError, PermissionDeniedError)
"""What the same request with the same token will always come to."""


class NotFoundError(APIError):
    """404: no such model or version, or not one that this token may see."""

    advice = "Check the owner and name of the model, the version, and whose token it is."


class ConflictError(APIError):
    """409: the state of the model or version does not allow it."""


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """One entry of a 422's ``detail``: which field, and what is wrong with it."""

    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}" if self.field else self.message


class InvalidRequestError(APIError):
    """422: the service refused a value.

    Attributes:
        fields: The fields that it named, with what it said about each.
    """

    advice = "Correct the values named above."
    fields: tuple[FieldProblem, ...] = ()


class RateLimitedError(APIError):
    """429: the token's budget of requests is used up."""

    advice = "Every task that uses this token shares its rate_limiter: limit them with an Airflow pool."


class ServerError(APIError):
    """5xx: the service, or a proxy before it, failed."""

    advice = "The service failed; try again later."


_BY_STATUS: Mapping[int, type[APIError]] = {
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    422: InvalidRequestError,
    429: RateLimitedError,
}


def error_of(
    method: str,
    path: str,
    status: int,
    body: bytes,
    *,
    request_id: str | None = None,
    retry_after: float | None = None,
    hide: Callable[[str], str] = str,
) -> APIError:
    """Build the error for a response whose status is not 2xx.

    Args:
        method: The HTTP method that was used.
        path: The path below the base URL.
        status: The response's status code.
        body: The response's body: the API's JSON, or whatever a proxy sent.
        request_id: The response's ``x-request-id``.
        retry_after: Seconds to wait before another try, if the response said so.
        hide: Blots secrets out of a text.

    Returns:
        An error of the class that belongs to the status.
    """
    detail, fields = _read_detail(body, lambda text: _shorten(hide(text)))
    request_id = _shorten(hide(request_id)) if request_id else None
    cls = _BY_STATUS.get(status, ServerError if status >= 500 else APIError)
    error = cls(method, path, status, detail, request_id=request_id, retry_after=retry_after)
    if isinstance(error, InvalidRequestError):
        error.fields = fields
    return error


def _read_detail(body: bytes, clean: Callable[[str], str]) -> tuple[str, tuple[FieldProblem, ...]]:
    text = body.decode("utf-8", "replace")
    try:
        problem = json.loads(text)
    except (ValueError, RecursionError):
        return clean(_title_of(text)), ()
    detail = problem.get("detail", problem) if isinstance(problem, dict) else problem
    if isinstance(detail, list):
        fields = tuple(_field_problem(entry, clean) for entry in detail)
        return _shorten("; ".join(map(str, fields))), fields
    return clean(detail if isinstance(detail, str) else json.dumps(detail)), ()


def _field_problem(entry: object, clean: Callable[[str], str]) -> FieldProblem:
    if not isinstance(entry, dict):
        return FieldProblem("", clean(str(entry)))
    location = entry.get("loc")
    where = ".".join(map(str, location)) if isinstance(location, list) else ""
    return FieldProblem(clean(where), clean(str(entry.get("msg", ""))))


def _title_of(text: str) -> str:
    title = re.search(r"<title>(.*?)</title>", text, re.IGNORECASE | re.DOTALL)
    if title:
        return f"an HTML page titled {title.group(1).strip()!r}"
    return text


def _shorten(text: str) -> str:
    printable = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    if len(printable) <= _LONGEST_DETAIL:
        return printable
    return printable[: _LONGEST_DETAIL - 1] + "…"


def _phrase(status: int) -> str:
    try:
        return http.HTTPStatus(status).phrase
    except ValueError:
        return ""
