"""Run many triggers with their own client and polling loop, as in most providers.

``httpx_wait WAITS MODELS INTERVAL INTERVALS NUMBER``
"""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import sys
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
from airflow.triggers.base import BaseTrigger, TriggerEvent

from benchmarks.workloads.wait_stages import Plan, run_stages

plan = Plan.from_arguments(sys.argv[1:])
# The connection is read once, and no certificates are loaded: a well-written trigger would avoid that cost.
connection = json.loads(os.environ["AIRFLOW_CONN_WRIFTAI_DEFAULT"])
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class PollingTrigger(BaseTrigger):
    """Poll for a version until it exists.

    Args:
        reference: The reference of the version.
        poll_interval: Seconds between polls.
        deadline: The Unix time at which the wait times out.
    """

    def __init__(self, *, reference: str, poll_interval: float, deadline: float) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.reference = reference
        self.poll_interval = poll_interval
        self.deadline = deadline

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return f"{type(self).__module__}.{type(self).__qualname__}", {
            "reference": self.reference,
            "poll_interval": self.poll_interval,
            "deadline": self.deadline,
        }

    async def run(self) -> AsyncIterator[TriggerEvent]:
        event = {"status": "timeout"}
        async with self.client() as client:
            while time.time() < self.deadline:
                version = await self.fetch(client)
                if version is not None:
                    event = {"status": "ready", "version": version}
                    break
                await asyncio.sleep(self.poll_interval)
        yield TriggerEvent(event)  # type: ignore[no-untyped-call]

    def client(self) -> httpx.AsyncClient:
        headers = {"authorization": f"Bearer {connection['password']}"}
        return httpx.AsyncClient(base_url=connection["host"], headers=headers, verify=context, timeout=30)

    async def fetch(self, client: httpx.AsyncClient) -> Any:
        """Return the version; None if it does not exist, or if the request failed."""
        model, _, number = self.reference.partition(":")
        try:
            response = await client.get(f"/models/{model}/versions/{number}")
        except httpx.TransportError:
            return None
        return response.json() if response.is_success else None


def make_trigger(reference: str) -> PollingTrigger:
    return PollingTrigger(reference=reference, poll_interval=plan.interval, deadline=time.time() + 86400)


asyncio.run(run_stages(plan, make_trigger))
