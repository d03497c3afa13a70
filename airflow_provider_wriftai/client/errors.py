"""Every error of the client, and the reader of error bodies.

The tree::

    WriftAIError
    ├── ConfigurationError            a setting is invalid
    ├── InvalidReferenceError         a model or version reference is invalid
    ├── PaginationError               a listing does not end
    └── RequestError                  a request failed
        ├── ConnectionFailedError     no response was received
        │   └── RequestTimeoutError   … in time
        ├── UnreadableResponseError   a response violates the API's contract
        └── APIError                  an error status
            ├── RedirectError         3xx
            ├── AuthenticationError   401
            ├── PermissionDeniedError 403
            ├── NotFoundError         404, 410
            ├── ConflictError         409
            ├── InvalidRequestError   422
            ├── RateLimitedError      429
            └── ServerError           5xx

``retryable`` says whether another attempt can succeed; Airflow's retries, waits, and reconciling go by it.
``ambiguous`` says whether the service may have executed the request in spite of the error. The errors of ``domain``
derive from ``WriftAIError`` too.
"""

from __future__ import annotations

import http
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_wriftai.client.text import escape, truncated_repr

_TIMED_OUT_IN_A_PROXY = (408, 499)
_MOST_FIELDS = 20


class WriftAIError(Exception):
    """Base of every error that this package raises on purpose. All of them pickle.

    Attributes:
        retryable: Whether another attempt can succeed without a change by a person.
    """

    retryable: bool = False

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (type(self), self.args, self.__dict__.copy())


def _restore(cls: type[WriftAIError], args: tuple[Any, ...], state: dict[str, Any]) -> WriftAIError:
    error = cls.__new__(cls, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class ConfigurationError(WriftAIError, ValueError):
    """A setting (base URL, token, timeout, ...) is invalid, so no request can be made."""


class InvalidReferenceError(WriftAIError, ValueError):
    """A reference to a model or version is invalid: see ``references``."""


class PaginationError(WriftAIError):
    """A listing does not end, for example because it leads back to an earlier page."""

    retryable = True


@dataclass(frozen=True, slots=True)
class RequestInfo:
    """Which request an error is about.

    Attributes:
        method: The HTTP method.
        path: The path below the base URL.
        base_url: The base URL of the API.
        connection_id: The id of the Airflow connection; empty outside of Airflow.
    """

    method: str
    path: str
    base_url: str = ""
    connection_id: str = ""

    def __str__(self) -> str:
        return f"{self.method} {self.base_url}{self.path}{self.connection}"

    @property
    def connection(self) -> str:
        """The connection in parentheses, after a space; empty without one."""
        return f" (connection {truncated_repr(self.connection_id)})" if self.connection_id else ""


class RequestError(WriftAIError):
    """A request failed.

    Attributes:
        request: Which request.
        problem: What happened.
        advice: What to do about it.
        ambiguous: Whether the service may have executed the request in spite of the error.
    """

    retryable = True
    advice: str = ""
    ambiguous: bool = False

    def __init__(self, request: RequestInfo, problem: str, *, advice: str | None = None) -> None:
        self.request = request
        self.problem = problem
        if advice is not None:
            self.advice = advice
        super().__init__(f"{request} {problem}.{f' {self.advice}' if self.advice else ''}")


class ConnectionFailedError(RequestError):
    """No response was received: the connection could not be made, or it broke."""

    advice = "Check the host, port, and scheme of the connection, and that this worker can reach them."

    def __init__(self, request: RequestInfo, problem: str, *, ambiguous: bool, advice: str | None = None) -> None:
        super().__init__(request, problem, advice=advice)
        self.ambiguous = ambiguous


class RequestTimeoutError(ConnectionFailedError):
    """No complete response was received in time."""

    advice = "The service may be slow or down. The timeout is a setting of the connection."


class UnreadableResponseError(RequestError):
    """A response violates the API's contract, or is too large."""

    advice = (
        "Check that the host of the connection is the URL of the WriftAI API, such as https://api.wrift.ai/v1, and not "
        "of another site or a proxy."
    )
    ambiguous = True


class APIError(RequestError):
    """The API answered with an error status.

    Attributes:
        status: The HTTP status code.
        detail: What the service said about it, escaped, at most 500 characters.
        request_id: The service's id of the request, if it sent one.
        retry_after: Seconds after which the service accepts another attempt, if it said so.
    """

    def __init__(
        self,
        request: RequestInfo,
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
        self.ambiguous = status >= 500 or 300 <= status < 400 or status in _TIMED_OUT_IN_A_PROXY
        said = f": {detail.rstrip('.')}" if detail else ""
        traced = f" (request id {request_id})" if request_id else ""
        advice = _ADVICE_BY_STATUS.get(status)
        super().__init__(request, f"failed with {status} {_phrase(status)}".rstrip() + said + traced, advice=advice)


_ADVICE_BY_STATUS: Mapping[int, str] = {
    407: (
        "The proxy requires credentials. Put them into the URL of HTTPS_PROXY or HTTP_PROXY, or exempt the host with "
        "NO_PROXY."
    ),
}


class RedirectError(APIError):
    """3xx. Redirects are not followed: the token must not travel to a host that the connection does not name."""

    retryable = False
    advice = "Redirects are not followed. Set the host of the connection to the URL of the API itself."


class AuthenticationError(APIError):
    """401: The token is missing or invalid."""

    retryable = False
    advice = "Set a valid access token as the password of the Airflow connection."


class PermissionDeniedError(APIError):
    """403: The token is valid, but does not permit this request."""

    retryable = False
    advice = "Use the access token of an account that has this permission on the model."


class NotFoundError(APIError):
    """404 or 410: The model or version does not exist, or the token may not see it."""

    advice = "Check the owner and name of the model, the version, and which account the token belongs to."


class ConflictError(APIError):
    """409: The state of the model or version does not allow the request."""


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """One entry of the ``detail`` of a 422: a field, and what is wrong with it."""

    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}" if self.field else self.message


class InvalidRequestError(APIError):
    """422: The service refused a value.

    Attributes:
        fields: The fields that it named, and what it said about each.
    """

    retryable = False
    advice = "Correct the values named above."
    fields: tuple[FieldProblem, ...] = ()


class RateLimitedError(APIError):
    """429: The request budget of the token is used up."""

    advice = "All tasks that use this token share its budget. On several machines, limit them with an Airflow pool."


class ServerError(APIError):
    """5xx: The service, or a proxy in front of it, failed."""

    advice = "The service failed. Try again later."


_BY_STATUS: Mapping[int, type[APIError]] = {
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    410: NotFoundError,
    422: InvalidRequestError,
    429: RateLimitedError,
}


def _class_of(status: int) -> type[APIError]:
    if status >= 500:
        return ServerError
    if 300 <= status < 400:
        return RedirectError
    return _BY_STATUS.get(status, APIError)


def parse_error(
    request: RequestInfo,
    status: int,
    body: bytes,
    *,
    location: str | None = None,
    request_id: str | None = None,
    retry_after: float | None = None,
    redact: Callable[[str], str] = str,
) -> APIError:
    """Build the error for a response whose status is not 2xx.

    Args:
        request: The request.
        status: The status code of the response.
        body: The body of the response: the API's JSON, or whatever a proxy sent.
        location: The ``Location`` header.
        request_id: The ``x-request-id`` header.
        retry_after: Seconds to wait before another attempt, if the response said so.
        redact: Removes secrets from a text.

    Returns:
        An error of the class that belongs to the status.
    """
    detail, fields = _read_detail(body, redact)
    cls = _class_of(status)
    if cls is RedirectError and location:
        detail = f"to {escape(redact(location))}"
    error = cls(
        request,
        status,
        detail,
        request_id=escape(redact(request_id), 100) if request_id else None,
        retry_after=retry_after,
    )
    if isinstance(error, InvalidRequestError):
        error.fields = fields
    return error


def _read_detail(body: bytes, redact: Callable[[str], str]) -> tuple[str, tuple[FieldProblem, ...]]:
    def clean(text: str) -> str:
        return escape(redact(text))

    text = body.decode("utf-8", "replace")
    try:
        problem = json.loads(text)
    except (ValueError, RecursionError):
        return clean(_title_of(text)), ()
    detail = problem.get("detail", problem) if isinstance(problem, dict) else problem
    if isinstance(detail, list):
        fields = tuple(_field_problem(entry, clean) for entry in detail[:_MOST_FIELDS])
        # Escaped already, each by itself: doing it twice would double the backslashes.
        return "; ".join(map(str, fields))[:2000], fields
    return clean(detail if isinstance(detail, str) else json.dumps(detail)), ()


def _field_problem(entry: object, clean: Callable[[str], str]) -> FieldProblem:
    if not isinstance(entry, dict):
        return FieldProblem("", clean(str(entry)))
    location = entry.get("loc")
    where = ".".join(map(str, location)) if isinstance(location, list) else ""
    return FieldProblem(clean(where), clean(str(entry.get("msg", ""))))


def _title_of(text: str) -> str:
    title = re.search(r"<title>(.*?)</title>", text[:10_000], re.IGNORECASE | re.DOTALL)
    return f"an HTML page titled {' '.join(title.group(1).split())!r}" if title else text


def _phrase(status: int) -> str:
    try:
        return http.HTTPStatus(status).phrase
    except ValueError:
        return ""
