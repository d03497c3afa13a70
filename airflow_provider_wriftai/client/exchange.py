"""One request and its response without the I/O: what synchronous and asynchronous requests share."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar
from urllib.parse import urlencode

import httpx

from airflow_provider_wriftai.client.access_token import AccessToken
from airflow_provider_wriftai.client.endpoints import Operation, UnexpectedBodyError
from airflow_provider_wriftai.client.errors import (
    ConfigurationError,
    ConnectionFailedError,
    RequestInfo,
    RequestTimeoutError,
    UnreadableResponseError,
    WriftAIError,
    parse_error,
)
from airflow_provider_wriftai.client.rate_limiter import RateLimiter
from airflow_provider_wriftai.client.response import Response
from airflow_provider_wriftai.client.text import escape, truncated_repr

T = TypeVar("T")

LARGEST_RESPONSE = 32 * 1024 * 1024
"""Bytes of a response that are read before it is refused. No ``Content-Encoding`` is accepted, so they are the bytes on
the wire, too."""

LONGEST_EXCHANGE = 300.0
"""Seconds that an exchange may take from connecting to the last byte, however slowly the bytes arrive."""

_PROXY_ADVICE = "Check the proxy that HTTPS_PROXY, HTTP_PROXY, or ALL_PROXY names, or exempt the host with NO_PROXY."
_CERTIFICATE_ADVICE = (
    "The server's certificate is not trusted. Check the host, or set the connection's CA bundle to the certificates of "
    "your own authority."
)
_MISMATCH_ADVICE = "The server's certificate is for another host name. Check the host of the connection."
_EXPIRED_ADVICE = (
    "The server's certificate has expired. It has to be renewed, unless the clock of this machine is wrong."
)
_NOT_RECEIVED = Response(0, {}, b"")
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
_SENDING = "http11.send_request_headers.started"


@dataclass(frozen=True, slots=True)
class ClientConfig:
    """The settings that all requests of one API share.

    Attributes:
        base_url: The base URL of the API, without a trailing slash.
        token: The access token: sent with each request, and kept out of errors.
        rate_limiter: The request budget of the token.
        headers: Sent with each request.
        timeout: httpx's timeouts in seconds.
        observe: Receives the method and status of each response.
        connection_id: The id of the Airflow connection, for errors.
        through_proxy: Whether the requests go through a proxy.
    """

    base_url: str
    token: AccessToken
    rate_limiter: RateLimiter
    headers: httpx.Headers
    timeout: Mapping[str, float | None]
    observe: Callable[[str, int], None] = field(default=lambda method, status: None)
    connection_id: str = ""
    through_proxy: bool = False


class Exchange(Generic[T]):
    """A request under way, and the one boundary at which errors of httpx become ours.

    Args:
        operation: The request, and the reader of its response.
        config: What all requests of the API have in common.
    """

    def __init__(self, operation: Operation[T], config: ClientConfig) -> None:
        self._operation = operation
        self._config = config
        self._began = time.monotonic()
        self._chunks: list[bytes] = []
        self._size = 0
        self._response = _NOT_RECEIVED
        self._retry_after: float | None = None
        self._traced: str | None = None

    @property
    def deadline(self) -> float:
        """When the exchange has to be over, by ``time.monotonic``."""
        return self._began + LONGEST_EXCHANGE

    def build_request(self, trace: Callable[..., Any]) -> httpx.Request:
        """Build the request.

        Args:
            trace: httpcore's ``trace`` extension; it has to call :meth:`note_event`.
        """
        operation = self._operation
        query = f"?{urlencode(operation.params)}" if operation.params else ""
        request = httpx.Request(
            operation.method,
            f"{self._config.base_url}{operation.path}{query}",
            headers=self._config.headers,
            json=operation.body,
            extensions={"timeout": self._config.timeout, "trace": trace},
        )
        self._config.token.authorize(request)
        return request

    def note_event(self, name: str, info: Mapping[str, Any]) -> None:
        """Record how far httpcore has come, which decides whether the request counts as sent."""
        # The CONNECT to a proxy is a request, too, but not ours.
        if self._traced != _SENDING and not (name == _SENDING and info["request"].method == b"CONNECT"):
            self._traced = name

    def accept(self, status: int, headers: httpx.Headers) -> None:
        """Accept the head of the response.

        Raises:
            UnreadableResponseError: The body has an encoding that was not requested.
        """
        encoding = headers.get("content-encoding", "identity").strip().lower()
        if encoding not in ("", "identity"):
            raise self._unreadable(
                f"returned {status} with Content-Encoding {truncated_repr(encoding)}, which was not requested"
            )

    def add(self, chunk: bytes) -> None:
        """Add a part of the body.

        Raises:
            UnreadableResponseError: The body is too large.
            RequestTimeoutError: The exchange has taken too long.
        """
        self._size += len(chunk)
        if self._size > LARGEST_RESPONSE:
            raise self._unreadable(
                f"returned more than {LARGEST_RESPONSE // 1024**2} MiB, which is the limit for a response"
            )
        if time.monotonic() > self.deadline:
            raise self.timeout_error()
        self._chunks.append(chunk)

    def finish(self, received: httpx.Response) -> None:
        """Record the response once its body is complete."""
        # A plain dict, because a look-up in httpx's headers searches all of them.
        body = self._config.token.redact_body(b"".join(self._chunks))
        self._response = Response(received.status_code, dict(received.headers.items()), body)
        self._chunks.clear()
        self._retry_after = self._config.rate_limiter.update(self._response, self._began)
        self._config.observe(self._operation.method, self._response.status)

    def release(self) -> None:
        """End the exchange: without a response, its slot is released."""
        if self._response is _NOT_RECEIVED:
            self._config.rate_limiter.release()

    def result(self) -> T:
        """Read the response.

        Raises:
            UnreadableResponseError: It violates the contract.
            APIError: It is an error.
        """
        response = self._response
        redact = self._config.token.redact
        if not response.is_success:
            raise parse_error(
                self._info(),
                response.status,
                response.body,
                location=response.headers.get("location"),
                request_id=response.headers.get("x-request-id"),
                retry_after=self._retry_after,
                redact=redact,
            )
        try:
            return self._operation.read(response)
        except UnexpectedBodyError as unexpected:
            problem = escape(redact(str(unexpected)))
        excerpt = truncated_repr(redact(response.body[:1000].decode("utf-8", "replace")))
        raise self._unreadable(f"returned {response.status} with {problem}; the body begins with {excerpt}")

    def timeout_error(self) -> RequestTimeoutError:
        """Return the error for an exchange that missed its deadline."""
        return RequestTimeoutError(
            self._info(),
            f"had no complete response within {LONGEST_EXCHANGE:.0f} s",
            ambiguous=self._may_have_been_sent(None),
        )

    def translate(self, error: Exception) -> WriftAIError | None:
        """Translate an error of httpx; None if the error is not one of them.

        The result must be raised where the original is no longer being handled: httpx's error carries the request, and
        with it the token.
        """
        ambiguous = self._may_have_been_sent(error)
        match error:
            case httpx.TimeoutException() if time.monotonic() >= self.deadline:
                return self.timeout_error()
            case httpx.TimeoutException():
                problem = f"timed out after {self._config.timeout['read']:g} s ({type(error).__name__})"
                return RequestTimeoutError(self._info(), problem, ambiguous=ambiguous, advice=self._proxy_advice(error))
            case httpx.UnsupportedProtocol() | httpx.LocalProtocolError():
                return ConfigurationError(f"{self._info()} cannot be sent: {self._reason_of(error)}.")
            case httpx.RequestError():
                reason = self._reason_of(error)
                advice = _certificate_advice(reason) or self._proxy_advice(error)
                problem = f"failed: {reason} ({type(error).__name__})"
                return ConnectionFailedError(self._info(), problem, ambiguous=ambiguous, advice=advice)
            case _:
                return None

    def _may_have_been_sent(self, error: Exception | None) -> bool:
        if self._traced is not None:
            return self._traced == _SENDING
        # A transport of the user's own does not trace.
        return not isinstance(error, _NOT_SENT)

    def _proxy_advice(self, error: Exception) -> str | None:
        is_proxy_failure = isinstance(error, httpx.ProxyError) or (
            self._config.through_proxy and self._traced is not None and self._traced != _SENDING
        )
        return _PROXY_ADVICE if is_proxy_failure else None

    def _reason_of(self, error: BaseException) -> str:
        cause = _system_error(error) if isinstance(error, httpx.NetworkError) else error
        return escape(self._config.token.redact(str(cause) or type(cause).__name__))

    def _info(self) -> RequestInfo:
        return RequestInfo(
            self._operation.method, self._operation.path, self._config.base_url, self._config.connection_id
        )

    def _unreadable(self, problem: str) -> UnreadableResponseError:
        return UnreadableResponseError(self._info(), problem)


def _certificate_advice(reason: str) -> str | None:
    reason = reason.upper()
    if "CERTIFICATE_VERIFY_FAILED" not in reason:
        return None
    if "MISMATCH" in reason:
        return _MISMATCH_ADVICE
    return _EXPIRED_ADVICE if "EXPIRED" in reason else _CERTIFICATE_ADVICE


def _system_error(error: BaseException) -> BaseException:
    """Find the operating system's error below one of httpx: asynchronous ones have no text of their own."""
    below: BaseException | None = error
    while below is not None:
        if isinstance(below, OSError) and below.errno is not None:
            return below
        below = below.exceptions[0] if isinstance(below, BaseExceptionGroup) else below.__cause__ or below.__context__
    return error
