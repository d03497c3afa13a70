"""Run many of our triggers in one event loop: ``ours_wait WAITS MODELS INTERVAL INTERVALS NUMBER``."""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime, timedelta

from airflow_provider_wriftai.triggers.versions import WriftAIVersionTrigger
from benchmarks.workloads.wait_stages import Plan, run_stages

plan = Plan.from_arguments(sys.argv[1:])
deadline = (datetime.now(UTC) + timedelta(days=1)).isoformat()


def make_trigger(reference: str) -> WriftAIVersionTrigger:
    return WriftAIVersionTrigger(criteria={"version": reference}, poll_interval=plan.interval, deadline=deadline)


asyncio.run(run_stages(plan, make_trigger))
