"""Run many idle triggers in one event loop: ``idle_wait WAITS MODELS INTERVAL INTERVALS NUMBER``.

Their start costs what every trigger costs: Airflow's own objects, and the garbage collection of these.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from benchmarks.workloads.wait_stages import Plan, run_stages


class IdleTrigger(BaseTrigger):
    """A trigger that never fires."""

    def __init__(self, reference: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.reference = reference

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class and the arguments that recreate this trigger."""
        return f"{__name__}.IdleTrigger", {"reference": self.reference}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait forever."""
        await asyncio.get_running_loop().create_future()
        yield TriggerEvent(None)  # type: ignore[no-untyped-call]


asyncio.run(run_stages(Plan.from_arguments(sys.argv[1:]), IdleTrigger))
