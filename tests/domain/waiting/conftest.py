from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from airflow_provider_wriftai.domain.waiting import poll_interval
from tests.support.sandbox import Sandbox
from tests.support.waiting_service import Run, Service


@pytest.fixture(autouse=True)
def _allow_short_intervals(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "poll_interval" not in request.module.__name__:
        monkeypatch.setattr(poll_interval, "SHORTEST_INTERVAL", 0.0)


@pytest.fixture
def run(sandbox: Sandbox) -> Run:
    """Return a function that runs a test with a service, in an event loop that reports what blocks it."""

    def in_loop(work: Callable[[Service], Awaitable[Any]]) -> Any:
        async def main() -> Any:
            service = Service(sandbox)
            async with asyncio.timeout(60):
                result = await work(service)
            unfinished = asyncio.all_tasks() - {asyncio.current_task()}
            assert not unfinished, unfinished
            return result

        return asyncio.run(main(), debug=True)

    return in_loop
