"""The only place with HTTP in it: one request, sync or async, from a call to its result."""

from __future__ import annotations

import asyncio
import functools
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx
from tenacity import AsyncRetrying, Retrying

from airflow_provider_wriftai import __version__
from airflow_provider_wriftai.client.base_url import check_access_token, check_base_url
from airflow_provider_wriftai.client.calls import Call, UnexpectedBodyError
from airflow_provider_wriftai.client.errors import (
    ConfigurationError,
    ConnectionFailedError,
    NotFoundError,
    RequestTimeoutError,
    UnreadableResponseError,
    error_of,
)
from airflow_provider_wriftai.client.rate_limit import budget_of, seconds_until_retry
from airflow_provider_wriftai.client.response import NO_CONTENT, Response
from airflow_provider_wriftai.client.retrying import RetryPolicy, Tries

T = TypeVar("T")

DEFAULT_TIMEOUT = 30.0
"""Seconds that each step of a request (connect, send, wait, receive) may take."""

LARGEST_RESPONSE = 32 * 1024 * 1024
"""Bytes of a response, decompressed, that are read before it is refused."""

_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)


@functools.lru_cache(maxsize=8)
def _tls_context(ca_bundle: str | None) -> ssl.SSLContext:
    # Loading the certificates takes tens of milliseconds and most of a megabyte: once per process.
    if ca_bundle is None:
        return httpx.create_ssl_context()
    try:
        return ssl.create_default_context(cafile=ca_bundle)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(f"The CA bundle {ca_bundle!r} cannot be read: {error}") from error


class API:
    """A connection to the WriftAI API.

    Use it as a context manager (``with`` or ``async with``), or close it. One instance serves
    threads at will, but only one event loop.

    Args:
        base_url: Where the API is, its version included.
        access_token: The bearer token; None for reads of public models.
        timeout: Seconds that each step of a request may take.
        retry: How long a request is worth trying.
        ca_bundle: Path of a file of CA certificates to trust instead of the usual ones.
        allow_plain_http: Whether the token may be sent unencrypted to a host that is not this machine.
        transport: An httpx transport for the sync requests, in place of the network.
        async_transport: The same for the async ones.

    Raises:
        ConfigurationError: The base URL or the token cannot be used, or the token would be sent
            unencrypted to another machine.
    """

    def __init__(
        self,
        base_url: str = "https://api.wrift.ai/v1",
        access_token: str | None = None,
        *,
        timeout: float = DEFAULT_TIMEOUT,
        retry: RetryPolicy | None = None,
        ca_bundle: str | None = None,
        allow_plain_http: bool = False,
        transport: httpx.BaseTransport | None = None,
        async_transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        access_token = check_access_token(access_token)
        self.base_url = check_base_url(base_url, token_given=bool(access_token), allow_plain_http=allow_plain_http)
        self._access_token = access_token
        self._timeout = httpx.Timeout(timeout)
        self._retry = retry or RetryPolicy()
        self._ca_bundle = ca_bundle
        self._budget = budget_of(self.base_url, access_token)
        self._transport = transport
        self._async_transport = async_transport
        self._opening = threading.Lock()
        self._sync_client: httpx.Client | None = None
        self._async_client: httpx.AsyncClient | None = None

    def __repr__(self) -> str:
        return f"API({self.base_url!r})"

    def request(self, call: Call[T]) -> T:
        """Carry out a call, trying again where that is safe.

        Args:
            call: What is asked, and how the response is read.

        Returns:
            What the call's reader made of the response.

        Raises:
            ConnectionFailedError: No response was received.
            UnreadableResponseError: The response is not what the contract says.
            APIError: The API answered with an error status.
        """
        tries = Tries(call.method, self._retry)
        try:
            result: T = Retrying(**tries.options())(self._send, call)
        except NotFoundError:
            if not tries.may_have_deleted:
                raise
            return call.read(NO_CONTENT)
        return result

    async def async_request(self, call: Call[T]) -> T:
        """Carry out a call as :meth:`request` does, asynchronously."""
        tries = Tries(call.method, self._retry)
        try:
            return await AsyncRetrying(**tries.options())(self._async_send, call)
        except NotFoundError:
            if not tries.may_have_deleted:
                raise
            return call.read(NO_CONTENT)

    def _send(self, call: Call[T]) -> T:
        while (wait := self._budget.reserve()) > 0:
            time.sleep(wait)
        client = self._open_sync_client()
        with _translated(call):
            sent = client.send(self._build(client, call), stream=True)
            try:
                body = _Body(call)
                for chunk in sent.iter_bytes():
                    body.add(chunk)
            finally:
                sent.close()
        return self._read(call, _received(sent, body))

    async def _async_send(self, call: Call[T]) -> T:
        while (wait := self._budget.reserve()) > 0:  # noqa: ASYNC110 - time opens the budget, no event does
            await asyncio.sleep(wait)
        client = self._open_async_client()
        with _translated(call):
            sent = await client.send(self._build(client, call), stream=True)
            try:
                body = _Body(call)
                async for chunk in sent.aiter_bytes():
                    body.add(chunk)
            finally:
                await sent.aclose()
        return self._read(call, _received(sent, body))

    def _build(self, client: httpx.Client | httpx.AsyncClient, call: Call[Any]) -> httpx.Request:
        query = f"?{httpx.QueryParams(dict(call.params))}" if call.params else ""
        base = httpx.URL(self.base_url)
        # As bytes: httpx must not touch what is percent-encoded already.
        url = base.copy_with(raw_path=(base.raw_path.decode() + call.path + query).encode("ascii"))
        return client.build_request(call.method, url, json=call.body)

    def _read(self, call: Call[T], response: Response) -> T:
        self._budget.learn(response)
        if not response.is_success:
            raise error_of(
                call.method,
                call.path,
                response.status,
                response.body,
                request_id=response.headers.get("x-request-id"),
                retry_after=seconds_until_retry(response),
            )
        try:
            return call.read(response)
        except UnexpectedBodyError as error:
            raise UnreadableResponseError(
                call.method, call.path, f"was answered {response.status} with {error}"
            ) from error

    def _client_options(self) -> dict[str, Any]:
        headers = {"user-agent": f"airflow-provider-wriftai/{__version__}", "accept": "application/json"}
        if self._access_token:
            headers["authorization"] = f"Bearer {self._access_token}"
        encrypted = self.base_url.startswith("https:")
        return {
            "headers": headers,
            "timeout": self._timeout,
            "follow_redirects": False,
            # Over plain http nothing is verified; an empty context, which trusts nobody, is cheap.
            "verify": _tls_context(self._ca_bundle) if encrypted else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
        }

    def _open_sync_client(self) -> httpx.Client:
        with self._opening:
            if self._sync_client is None:
                self._sync_client = httpx.Client(transport=self._transport, **self._client_options())
            return self._sync_client

    def _open_async_client(self) -> httpx.AsyncClient:
        if self._async_client is None:
            self._async_client = httpx.AsyncClient(transport=self._async_transport, **self._client_options())
        return self._async_client

    def close(self) -> None:
        """Close what the sync requests opened."""
        with self._opening:
            client, self._sync_client = self._sync_client, None
        if client is not None:
            client.close()

    async def aclose(self) -> None:
        """Close what the async requests opened."""
        client, self._async_client = self._async_client, None
        if client is not None:
            await client.aclose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()


class _Body:
    """The body of a response as it comes in, refused once it is too large."""

    def __init__(self, call: Call[Any]) -> None:
        self._call = call
        self._chunks: list[bytes] = []
        self._size = 0

    def add(self, chunk: bytes) -> None:
        self._size += len(chunk)
        if self._size > LARGEST_RESPONSE:
            raise UnreadableResponseError(
                self._call.method,
                self._call.path,
                f"was answered with more than {LARGEST_RESPONSE // 1024**2} MiB, which is refused",
            )
        self._chunks.append(chunk)

    def __bytes__(self) -> bytes:
        return b"".join(self._chunks)


def _received(sent: httpx.Response, body: _Body) -> Response:
    return Response(sent.status_code, dict(sent.headers), bytes(body))


@contextmanager
def _translated(call: Call[Any]) -> Iterator[None]:
    """The one boundary at which httpx's errors become ours."""
    try:
        yield
    except httpx.TimeoutException as error:
        raise RequestTimeoutError(
            call.method,
            call.path,
            f"had no response in time ({type(error).__name__})",
            ambiguous=not isinstance(error, _NOT_SENT),
        ) from error
    except httpx.RequestError as error:
        raise ConnectionFailedError(
            call.method,
            call.path,
            f"had no response ({type(error).__name__}: {error})",
            ambiguous=not isinstance(error, _NOT_SENT),
        ) from error
