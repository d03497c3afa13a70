"""The sandbox, for many waits in one event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx

from airflow_provider_wriftai.client.api import API
from airflow_provider_wriftai.client.references import ModelReference
from airflow_provider_wriftai.client.retrying import RetryPolicy
from airflow_provider_wriftai.domain.waiting.criteria import START, Criteria
from airflow_provider_wriftai.domain.waiting.poll_interval import PollInterval
from airflow_provider_wriftai.domain.waiting.poller import WaitMetrics
from airflow_provider_wriftai.domain.waiting.poller_pool import wait_for
from airflow_provider_wriftai.domain.waiting.wait import Wait
from tests.support.sandbox import Sandbox

Send = Callable[[httpx.Request], Awaitable[httpx.Response]]


class ServiceTransport(httpx.AsyncHTTPTransport):
    """A transport of one API. Closing it closes no connection of the other APIs, whose requests may be under way."""

    def __init__(self, service: Service) -> None:
        super().__init__()
        self._service = service

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await self._service.handle(request, super().handle_async_request)


class Service:
    """The sandbox behind transports that record their requests, can fail, and let tests wait for requests."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self.token = sandbox.token
        self.timeout = 30.0
        self.timeouts: list[float] = []
        self.open_error: Exception | None = None
        self.opened = 0
        self.requests: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.fault: Callable[[], httpx.Response | Exception | None] = lambda: None
        self._answered = asyncio.Condition()

    async def handle(self, request: httpx.Request, send: Send) -> httpx.Response:
        self.requests.append(request.url.path.rpartition("/v1")[2])
        self.timeouts.append(request.extensions["timeout"]["read"])
        try:
            failure = self.fault()
            if isinstance(failure, Exception):
                raise failure
            response = failure if failure is not None else await send(request)
            async with self._answered:
                self._answered.notify_all()
            await self.gate.wait()
            return response
        finally:
            async with self._answered:
                self._answered.notify_all()

    async def until_requested(self, times: int, path: str = "") -> None:
        """Wait until a number of requests had a path that contains a text."""
        async with self._answered:
            await self._answered.wait_for(lambda: sum(path in request for request in self.requests) >= times)

    async def until_opened(self, times: int) -> None:
        """Wait until the connection was read a number of times."""
        async with self._answered:
            await self._answered.wait_for(lambda: self.opened >= times)

    async def open(self) -> API:
        self.opened += 1
        async with self._answered:
            self._answered.notify_all()
        if self.open_error is not None:
            raise self.open_error
        return API(
            self._sandbox.base_url(2),
            self.token,
            timeout=self.timeout,
            async_transport=ServiceTransport(self),
            retry=RetryPolicy(attempts=1, seconds=1),
        )

    async def wait(
        self,
        criteria: Criteria,
        connection: str = "wriftai_default",
        metrics: WaitMetrics | None = None,
        **values: Any,
    ) -> str:
        """Wait as a trigger does, and return the reference of the version."""
        begin = {"interval": PollInterval(0.01), "seconds": 60.0, **values}
        found = await wait_for(connection, self.open, Wait(criteria, **begin), metrics or WaitMetrics())
        return str(found.versions[-1].reference)

    def publish(self, model: str, notes: str = "x") -> str:
        version = self._sandbox.store.create_version(
            *model.split("/"),
            release_notes=notes,
            schemas={"prediction": {"input": {}, "output": {}}},
            container_image_digest="sha256:" + "ab" * 32,
        )
        return f"{model}:{version.number}"


Run = Callable[[Callable[[Service], Awaitable[Any]]], Any]


def newer_than_start(model: str) -> Criteria:
    return Criteria(model=ModelReference.parse(model), newer_than=START)
