"""Waiting as most providers do, each trigger with a client and a loop of its own.

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

from benchmarks.workloads.wait_stages import Plan, staged

plan = Plan.of_arguments(sys.argv[1:])
# Read once for all, and no certificates are loaded: what a good trigger would spare itself.
connection = json.loads(os.environ["AIRFLOW_CONN_WRIFTAI_DEFAULT"])
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class PollingTrigger(BaseTrigger):
    """Waits for a version: asks for it, sleeps, and asks again.

    Args:
        reference: Of the version.
        poll_interval: Seconds between polls.
        deadline: The Unix time at which the wait is over.
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
                version = await self.look(client)
                if version is not None:
                    event = {"status": "ready", "version": version}
                    break
                await asyncio.sleep(self.poll_interval)
        yield TriggerEvent(event)  # type: ignore[no-untyped-call]

    def client(self) -> httpx.AsyncClient:
        headers = {"authorization": f"Bearer {connection['password']}"}
        return httpx.AsyncClient(base_url=connection["host"], headers=headers, verify=context, timeout=30)

    async def look(self, client: httpx.AsyncClient) -> Any:
        """Fetch the version; None if it does not exist, or if the request failed."""
        model, _, number = self.reference.partition(":")
        try:
            response = await client.get(f"/models/{model}/versions/{number}")
        except httpx.TransportError:
            return None
        return response.json() if response.is_success else None


def trigger(reference: str) -> PollingTrigger:
    return PollingTrigger(reference=reference, poll_interval=plan.interval, deadline=time.time() + 86400)


asyncio.run(staged(plan, trigger))
