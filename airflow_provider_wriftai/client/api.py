"""The only place that sends HTTP requests: one operation, synchronous or asynchronous, from request to result."""

from __future__ import annotations

import asyncio
import functools
import hmac
import os
import secrets
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx
from tenacity import AsyncRetrying, Retrying

from airflow_provider_wriftai import __version__
from airflow_provider_wriftai.client.access_token import AccessToken
from airflow_provider_wriftai.client.base_url import check_base_url
from airflow_provider_wriftai.client.deadline import DeadlineTransport
from airflow_provider_wriftai.client.endpoints import Operation
from airflow_provider_wriftai.client.errors import ConfigurationError, NotFoundError, WriftAIError
from airflow_provider_wriftai.client.exchange import ClientConfig, Exchange
from airflow_provider_wriftai.client.rate_limiter import rate_limiter_for
from airflow_provider_wriftai.client.response import NO_CONTENT
from airflow_provider_wriftai.client.retrying import RetryPolicy, RetryState
from airflow_provider_wriftai.client.text import escape, truncated_repr
from airflow_provider_wriftai.client.transport_pool import TransportPool, find_proxy

T = TypeVar("T")

DEFAULT_TIMEOUT = 30.0
"""Seconds that each step of a request (connect, send, wait, receive) may take."""

_CA_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR")


@functools.lru_cache(maxsize=8)
def _tls_context(ca_bundle: str | None, changed_at: float) -> ssl.SSLContext:
    # Loading the certificates takes tens of milliseconds and most of a megabyte: once per process and file.
    del changed_at
    try:
        return httpx.create_ssl_context() if ca_bundle is None else ssl.create_default_context(cafile=ca_bundle)
    except (OSError, ValueError) as error:
        reason = escape(str(error))
        if ca_bundle is not None:
            shown = truncated_repr(ca_bundle, 200)
            raise ConfigurationError(f"The CA bundle {shown} cannot be read: {reason}.") from error
        named = [f"{name}={truncated_repr(os.environ[name], 200)}" for name in _CA_VARIABLES if os.environ.get(name)]
        variables = ", ".join(named) or "neither variable is set"
        raise ConfigurationError(
            f"The CA certificates of this machine cannot be read ({variables}): {reason}. "
            f"Correct {' or '.join(_CA_VARIABLES)}, or name a file as ca_bundle in the connection."
        ) from error


_FINGERPRINT_KEY = secrets.token_bytes(32)


def _fingerprint(*settings: object) -> str:
    # Each process has its own key, so that it cannot be used to guess a token.
    return hmac.new(_FINGERPRINT_KEY, repr(settings).encode(), "sha256").hexdigest()


def _modified_at(ca_bundle: str | None) -> float:
    try:
        return Path(ca_bundle).stat().st_mtime if ca_bundle else 0.0
    except OSError:
        return 0.0


class API:
    """A connection to the WriftAI API.

    Use it as a context manager (``with`` or ``async with``), or close it. One instance may be used by several threads,
    but by one event loop only.

    Args:
        base_url: The URL of the API, including its version.
        access_token: The bearer token; None to read public models.
        timeout: Seconds that each step of a request (connect, send, wait, receive) may take.
        retry: When to stop retrying a request.
        ca_bundle: Path of a file of CA certificates to trust instead of the usual ones.
        allow_plain_http: Whether the token may be sent unencrypted to another machine.
        observe: Receives the method and status of each response, for counting; it must not raise.
        connection_id: The id of the Airflow connection, for errors.
        rate_limit_sharing: How processes share the token's budget; see ``rate_limiter_for``.
        transport: An httpx transport for synchronous requests, in place of the network.
        async_transport: The same for asynchronous requests.

    Raises:
        ConfigurationError: The base URL or the token cannot be used, or the token would be sent unencrypted to another
            machine.
    """

    base_url: str = ""
    """The URL of the API, without a trailing slash."""

    fingerprint: str = ""
    """Equal for two APIs of this process exactly if they send the same requests in the same way: if base URL, token,
    timeout, retries, CA bundle, rate limit sharing, and connection id are equal. It reveals nothing about the token."""

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
        connection_id: str = "",
        rate_limit_sharing: str | None = None,
        transport: httpx.BaseTransport | None = None,
        async_transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._token = access_token if isinstance(access_token, AccessToken) else AccessToken(access_token or "")
        # From here on anything may raise, and tracebacks with local variables must not show the token.
        del access_token
        self._token.check()
        self.base_url = check_base_url(base_url, token_given=bool(self._token), allow_plain_http=allow_plain_http)
        proxy = find_proxy(self.base_url)
        self._config = ClientConfig(
            base_url=self.base_url,
            token=self._token,
            rate_limiter=rate_limiter_for(self.base_url, self._token, rate_limit_sharing),
            headers=httpx.Headers(
                {
                    "user-agent": f"airflow-provider-wriftai/{__version__}",
                    "accept": "application/json",
                    "accept-encoding": "identity",
                }
            ),
            timeout=httpx.Timeout(timeout).as_dict(),
            observe=observe,
            connection_id=connection_id,
            through_proxy=proxy is not None,
        )
        self._retry = retry or RetryPolicy()
        self.fingerprint = _fingerprint(
            self.base_url,
            self._token.reveal(),
            timeout,
            self._retry,
            ca_bundle,
            _modified_at(ca_bundle),
            rate_limit_sharing,
            connection_id,
        )
        # Over plain HTTP nothing is verified; an empty context, which trusts nobody, is cheap.
        verify = (
            _tls_context(ca_bundle, _modified_at(ca_bundle))
            if self.base_url.startswith("https:")
            else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        )
        self._transports: TransportPool[httpx.BaseTransport] = TransportPool(
            lambda: transport or DeadlineTransport(verify=verify, proxy=proxy)
        )
        self._async_transports: TransportPool[httpx.AsyncBaseTransport] = TransportPool(
            lambda: async_transport or httpx.AsyncHTTPTransport(verify=verify, proxy=proxy)
        )

    def __repr__(self) -> str:
        return f"API({self.base_url!r})"

    def request(self, operation: Operation[T]) -> T:
        """Execute an operation, and try again where that is safe.

        Args:
            operation: The request, and the reader of its response.

        Returns:
            What the reader made of the response.

        Raises:
            ConnectionFailedError: No response was received.
            UnreadableResponseError: The response violates the contract.
            APIError: The API answered with an error status.
        """
        state = RetryState(operation.method, self._retry)
        try:
            result: T = Retrying(**state.options())(self._attempt, operation, state)
        except NotFoundError:
            if not state.may_have_deleted:
                raise
            return operation.read(NO_CONTENT)
        return result

    async def async_request(self, operation: Operation[T]) -> T:
        """Execute an operation as :meth:`request` does, asynchronously."""
        state = RetryState(operation.method, self._retry)
        try:
            return await AsyncRetrying(**state.options())(self._async_attempt, operation, state)
        except NotFoundError:
            if not state.may_have_deleted:
                raise
            return operation.read(NO_CONTENT)

    def _attempt(self, operation: Operation[T], state: RetryState) -> T:
        for wait in self._config.rate_limiter.acquire(at_most=self._retry.seconds):
            state.waited += wait
            time.sleep(wait)
        exchange = Exchange(operation, self._config)
        failure = self._exchange(exchange)
        if failure is not None:
            raise failure
        return exchange.result()

    async def _async_attempt(self, operation: Operation[T], state: RetryState) -> T:
        for wait in self._config.rate_limiter.acquire(at_most=self._retry.seconds):
            state.waited += wait
            await asyncio.sleep(wait)
        exchange = Exchange(operation, self._config)
        failure = await self._async_exchange(exchange)
        if failure is not None:
            raise failure
        return exchange.result()

    # Errors are returned, and raised by the caller: raised where httpx's are handled, they would carry those along,
    # with the request and its token.

    def _exchange(self, exchange: Exchange[Any]) -> WriftAIError | None:
        try:
            with self._transports.lend() as transport:
                if isinstance(transport, DeadlineTransport):
                    transport.deadline.at = exchange.deadline
                received = transport.handle_request(exchange.build_request(exchange.note_event))
                try:
                    exchange.accept(received.status_code, received.headers)
                    for chunk in received.iter_bytes():
                        exchange.add(chunk)
                finally:
                    received.close()
                exchange.finish(received)
        except WriftAIError:
            raise
        except Exception as error:
            failure = exchange.translate(error)
            if failure is None:
                raise
            return failure
        except BaseException as interruption:  # noqa: BLE001 - it is raised again
            # Such as Airflow's timeout of a task. The frames below this one hold the headers of the request.
            raise interruption.with_traceback(None)  # noqa: B904 - it is the same exception
        finally:
            exchange.release()
        return None

    async def _async_exchange(self, exchange: Exchange[Any]) -> WriftAIError | None:
        async def trace(name: str, info: dict[str, Any]) -> None:
            exchange.note_event(name, info)

        try:
            async with asyncio.timeout(exchange.deadline - time.monotonic()):
                with self._async_transports.lend() as transport:
                    received = await transport.handle_async_request(exchange.build_request(trace))
                    try:
                        exchange.accept(received.status_code, received.headers)
                        async for chunk in received.aiter_bytes():
                            exchange.add(chunk)
                    finally:
                        await received.aclose()
                    exchange.finish(received)
        except WriftAIError:
            raise
        except TimeoutError:
            return exchange.timeout_error()
        except Exception as error:
            failure = exchange.translate(error)
            if failure is None:
                raise
            return failure
        finally:
            exchange.release()
        return None

    def close(self) -> None:
        """Close what synchronous requests opened."""
        for transport in self._transports.drain():
            transport.close()

    async def aclose(self) -> None:
        """Close what asynchronous requests opened."""
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
