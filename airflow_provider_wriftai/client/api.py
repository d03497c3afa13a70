"""The only place with HTTP in it: one request, sync or async, from a call to its result."""

from __future__ import annotations

import asyncio
import functools
import ssl
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx
from tenacity import AsyncRetrying, Retrying

from airflow_provider_wriftai import __version__
from airflow_provider_wriftai.client.access_token import AccessToken
from airflow_provider_wriftai.client.base_url import check_base_url
from airflow_provider_wriftai.client.endpoints import Operation
from airflow_provider_wriftai.client.errors import ConfigurationError, NotFoundError
from airflow_provider_wriftai.client.exchange import ClientConfig, Exchange
from airflow_provider_wriftai.client.rate_limiter import rate_limiter_for
from airflow_provider_wriftai.client.response import NO_CONTENT
from airflow_provider_wriftai.client.retrying import RetryPolicy, RetryState
from airflow_provider_wriftai.client.transport_pool import TransportPool, proxy_for

T = TypeVar("T")

DEFAULT_TIMEOUT = 30.0
"""Seconds that each step of a request (connect, send, wait, receive) may take."""


@functools.lru_cache(maxsize=8)
def _tls_context(ca_bundle: str | None) -> ssl.SSLContext:
    # Loading the certificates takes tens of milliseconds and most of a megabyte: once per process.
    if ca_bundle is None:
        return httpx.create_ssl_context()
    try:
        return ssl.create_default_context(cafile=ca_bundle)
    except (OSError, ValueError) as error:
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
        observe: Is told the method and status of each response, for counting; it must not raise.
        transport: An httpx transport for the sync requests, in place of the network.
        async_transport: The same for the async ones.

    Raises:
        ConfigurationError: The base URL or the token cannot be used, or the token would be sent
            unencrypted to another machine.
    """

    base_url: str = ""
    """Where the API is, without a trailing slash."""

    def __init__(
        self,
        base_url: str = "https://api.wrift.ai/v1",
        access_token: AccessToken | str | None = None,
        *,
        timeout: float = DEFAULT_TIMEOUT,
        retry: RetryPolicy | None = None,
        ca_bundle: str | None = None,
        allow_plain_http: bool = False,
        observe: Callable[[str, int], None] = lambda method, status: None,
        transport: httpx.BaseTransport | None = None,
        async_transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._token = access_token if isinstance(access_token, AccessToken) else AccessToken(access_token or "")
        del access_token  # so that no traceback that shows variables shows it
        self.base_url = check_base_url(base_url, token_given=bool(self._token), allow_plain_http=allow_plain_http)
        self._config = ClientConfig(
            base_url=self.base_url,
            token=self._token,
            rate_limiter=rate_limiter_for(self.base_url, self._token),
            headers={
                "user-agent": f"airflow-provider-wriftai/{__version__}",
                "accept": "application/json",
                "accept-encoding": "identity",
            },
            timeout=httpx.Timeout(timeout).as_dict(),
            observe=observe,
        )
        self._retry = retry or RetryPolicy()
        # Over plain http nothing is verified; an empty context, which trusts nobody, is cheap.
        verify = (
            _tls_context(ca_bundle) if self.base_url.startswith("https:") else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        )
        proxy = proxy_for(self.base_url)
        self._transports: TransportPool[httpx.BaseTransport] = TransportPool(
            lambda: transport or httpx.HTTPTransport(verify=verify, proxy=proxy)
        )
        self._async_transports: TransportPool[httpx.AsyncBaseTransport] = TransportPool(
            lambda: async_transport or httpx.AsyncHTTPTransport(verify=verify, proxy=proxy)
        )

    def __repr__(self) -> str:
        return f"API({self.base_url!r})"

    def request(self, call: Operation[T]) -> T:
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
        tries = RetryState(call.method, self._retry)
        try:
            result: T = Retrying(**tries.options())(self._try, call, tries)
        except NotFoundError:
            if not tries.may_have_deleted:
                raise
            return call.read(NO_CONTENT)
        return result

    async def async_request(self, call: Operation[T]) -> T:
        """Carry out a call as :meth:`request` does, asynchronously."""
        tries = RetryState(call.method, self._retry)
        try:
            return await AsyncRetrying(**tries.options())(self._async_try, call, tries)
        except NotFoundError:
            if not tries.may_have_deleted:
                raise
            return call.read(NO_CONTENT)

    def _try(self, call: Operation[T], tries: RetryState) -> T:
        for wait in self._config.rate_limiter.acquire(at_most=self._retry.seconds):
            tries.waited += wait
            time.sleep(wait)
        exchange = Exchange(call, self._config)
        self._carry_out(exchange)
        return exchange.result()

    async def _async_try(self, call: Operation[T], tries: RetryState) -> T:
        for wait in self._config.rate_limiter.acquire(at_most=self._retry.seconds):
            tries.waited += wait
            await asyncio.sleep(wait)
        exchange = Exchange(call, self._config)
        await self._async_carry_out(exchange)
        return exchange.result()

    def _carry_out(self, exchange: Exchange[Any]) -> None:
        with exchange, self._transports.one() as transport:
            sent = transport.handle_request(exchange.request())
            try:
                for chunk in sent.iter_bytes():
                    exchange.add(chunk)
            finally:
                sent.close()
            exchange.finish(sent)

    async def _async_carry_out(self, exchange: Exchange[Any]) -> None:
        with exchange, self._async_transports.one() as transport:
            sent = await transport.handle_async_request(exchange.request())
            try:
                async for chunk in sent.aiter_bytes():
                    exchange.add(chunk)
            finally:
                await sent.aclose()
            exchange.finish(sent)

    def is_same_as(self, other: API) -> bool:
        """Tell whether another one asks the same API with the same token."""
        return self.base_url == other.base_url and self._token.reveal() == other._token.reveal()

    def close(self) -> None:
        """Close what the sync requests opened."""
        for transport in self._transports.drain():
            transport.close()

    async def aclose(self) -> None:
        """Close what the async requests opened."""
        for transport in self._async_transports.drain():
            await transport.aclose()

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
