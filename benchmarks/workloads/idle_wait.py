"""Triggers that do nothing, many in one event loop: ``idle_wait WAITS MODELS INTERVAL INTERVALS NUMBER``.

What starting them costs is the floor for waits: Airflow's own objects, and Python's garbage collection over them.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from benchmarks.workloads.wait_stages import Plan, staged


class IdleTrigger(BaseTrigger):
    """Never fires."""

    def __init__(self, reference: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.reference = reference

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return how to make this trigger again."""
        return f"{__name__}.IdleTrigger", {"reference": self.reference}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait for ever."""
        await asyncio.get_running_loop().create_future()
        yield TriggerEvent(None)  # type: ignore[no-untyped-call]


asyncio.run(staged(Plan.of_arguments(sys.argv[1:]), IdleTrigger))
