"""Prune models of a sandbox or of a mock service."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httpx

from airflow_provider_wriftai.client.api import API
from airflow_provider_wriftai.client.references import ModelReference
from airflow_provider_wriftai.client.retrying import RetryPolicy
from airflow_provider_wriftai.domain.retention.policy import RetentionPolicy
from airflow_provider_wriftai.domain.retention.protection import Protection
from airflow_provider_wriftai.domain.retention.prune import prune
from airflow_provider_wriftai.domain.retention.report import PruneReport

Handler = Callable[[httpx.Request], httpx.Response]
Prune = Callable[..., PruneReport]


class Network(httpx.AsyncHTTPTransport):
    """A transport that records the requests, and calls a hook before each of them."""

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[tuple[str, str]] = []
        self.before: Callable[[str, str], None] = lambda method, name: None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        method, name = request.method, request.url.path.rpartition("/")[2]
        self.requests.append((method, name))
        self.before(method, name)
        return await super().handle_async_request(request)

    @property
    def deleted(self) -> list[str]:
        return [name for method, name in self.requests if method == "DELETE"]


async def skip_sleep(seconds: float) -> None:
    """Return at once, so that a test does not wait between two searches."""


def prune_against(answer: Handler, policy: RetentionPolicy, **keywords: Any) -> PruneReport:
    async def prune_model() -> PruneReport:
        async with API(async_transport=httpx.MockTransport(answer), retry=RetryPolicy(attempts=1)) as api:
            return await prune(api, ModelReference("acme", "det"), policy, sleep=skip_sleep, **keywords)

    return asyncio.run(prune_model())


def policy_protecting(model: str, *named: Any, notes: str | None = None, **values: Any) -> RetentionPolicy:
    return RetentionPolicy(**values, protection=Protection.read(ModelReference.parse(model), named, notes))


KEEP_ONE = RetentionPolicy(keep_last=1)
OLD = {"created_at": "2020-01-01T00:00:00Z", "release_notes": "x"}
