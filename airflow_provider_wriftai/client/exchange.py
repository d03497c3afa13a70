"""One request and its response, apart from the I/O: what sync and async have in common."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Generic, Self, TypeVar
from urllib.parse import urlencode

import httpx

from airflow_provider_wriftai.client.access_token import AccessToken
from airflow_provider_wriftai.client.endpoints import Operation, UnexpectedBodyError
from airflow_provider_wriftai.client.errors import (
    ConfigurationError,
    ConnectionFailedError,
    RequestTimeoutError,
    UnreadableResponseError,
    error_of,
)
from airflow_provider_wriftai.client.rate_limiter import RateLimiter
from airflow_provider_wriftai.client.response import Response

T = TypeVar("T")

LARGEST_RESPONSE = 32 * 1024 * 1024
"""Bytes of a response, decompressed, that are read before it is refused."""

LONGEST_RESPONSE = 300.0
"""Seconds after which a response that still trickles in is given up."""

_CERTIFICATE_ADVICE = (
    "Its certificate is not trusted: check the host, or name your own authority's certificates as the connection's "
    "CA bundle."
)
_NOT_RECEIVED = Response(0, {}, b"")
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)


@dataclass(frozen=True, slots=True)
class ClientConfig:
    """What the requests of one API have in common.

    Attributes:
        base_url: The API's base URL, without a trailing slash.
        token: The access token: sent with each request, and kept out of errors.
        rate_limiter: The token's rate_limiter, which learns from the responses.
        headers: Sent with each request.
        timeout: httpx's timeouts in seconds.
        observe: Is told the method and status of each response.
    """

    base_url: str
    token: AccessToken
    rate_limiter: RateLimiter
    headers: Mapping[str, str]
    timeout: Mapping[str, float | None]
    observe: Callable[[str, int], None]


class Exchange(Generic[T]):
    """A request under way. As a context manager it is the one boundary at which httpx's errors become ours.

    Args:
        call: What is asked, and how the response is read.
        config: What the requests of one API have in common.
    """

    def __init__(self, call: Operation[T], config: ClientConfig) -> None:
        self._call = call
        self._config = config
        self._began = time.monotonic()
        self._chunks: list[bytes] = []
        self._size = 0
        self._response = _NOT_RECEIVED
        self._retry_after: float | None = None

    def request(self) -> httpx.Request:
        """Build the request."""
        call = self._call
        query = f"?{urlencode(call.params)}" if call.params else ""
        request = httpx.Request(
            call.method,
            f"{self._config.base_url}{call.path}{query}",
            headers=self._config.headers,
            json=call.body,
            extensions={"timeout": self._config.timeout},
        )
        self._config.token.authorize(request)
        return request

    def add(self, chunk: bytes) -> None:
        """Take a part of the response's body.

        Raises:
            UnreadableResponseError: The body is too large.
            RequestTimeoutError: It has taken too long.
        """
        self._size += len(chunk)
        if self._size > LARGEST_RESPONSE:
            raise self._unreadable(f"was answered with more than {LARGEST_RESPONSE // 1024**2} MiB, which is refused")
        if time.monotonic() - self._began > LONGEST_RESPONSE:
            raise RequestTimeoutError(
                self._call.method,
                self._call.path,
                f"had no whole response within {LONGEST_RESPONSE:.0f} s",
                ambiguous=True,
            )
        self._chunks.append(chunk)

    def finish(self, sent: httpx.Response) -> None:
        """Take the response, whose body is complete."""
        self._response = Response(sent.status_code, sent.headers, b"".join(self._chunks))
        self._retry_after = self._config.rate_limiter.update(self._response, self._began)
        self._config.observe(self._call.method, self._response.status)

    def result(self) -> T:
        """Read the response.

        Raises:
            UnreadableResponseError: It is not what the contract says.
            APIError: It is an error.
        """
        response = self._response
        if not response.is_success:
            raise error_of(
                self._call.method,
                self._call.path,
                response.status,
                response.body,
                request_id=response.headers.get("x-request-id"),
                retry_after=self._retry_after,
                hide=self._config.token.redact,
            )
        try:
            return self._call.read(response)
        except UnexpectedBodyError as unexpected:
            begins = self._config.token.redact(response.body.decode("utf-8", "replace"))[:60]
            problem = f"was answered {response.status} with {self._hidden(unexpected)}; the body begins with {begins!r}"
        raise self._unreadable(problem)

    def _hidden(self, error: BaseException) -> str:
        return self._config.token.redact(str(error) or type(error).__name__)

    def _unreadable(self, problem: str) -> UnreadableResponseError:
        return UnreadableResponseError(self._call.method, self._call.path, problem)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._response is _NOT_RECEIVED:
            self._config.rate_limiter.lost()
        translated = self._translate(error)
        # An error of httpx carries the whole request along: it is neither the cause, nor left in a variable.
        del error, traceback
        if translated is not None:
            raise translated from None

    def _translate(self, error: BaseException | None) -> Exception | None:
        method, path = self._call.method, self._call.path
        ambiguous = not isinstance(error, _NOT_SENT)
        match error:
            case httpx.TimeoutException():
                problem = f"had no response within {self._config.timeout['read']:g} s ({type(error).__name__})"
                return RequestTimeoutError(method, path, problem, ambiguous=ambiguous)
            case httpx.UnsupportedProtocol() | httpx.LocalProtocolError():
                return ConfigurationError(f"{method} {path} cannot be sent: {self._hidden(error)}")
            case httpx.RequestError():
                reason = self._hidden(_reason(error) if isinstance(error, httpx.NetworkError) else error)
                problem = f"had no response ({type(error).__name__}: {reason})"
                advice = _CERTIFICATE_ADVICE if "CERTIFICATE_VERIFY_FAILED" in reason.upper() else None
                return ConnectionFailedError(method, path, problem, ambiguous=ambiguous, advice=advice)
            case _:
                return None


def _reason(error: BaseException) -> BaseException:
    """Find the system's own error below one of httpx: async ones have no text, or none that tells why."""
    below: BaseException | None = error
    while below is not None:
        if isinstance(below, OSError) and below.errno is not None:
            return below
        below = below.exceptions[0] if isinstance(below, BaseExceptionGroup) else below.__cause__ or below.__context__
    return error
