"""Prune a model to its newest version with our package: ``ours_prune URL TOKEN OWNER NAME run|dry``."""

from __future__ import annotations

import asyncio
import json
import sys
import time

from airflow_provider_wriftai.client.api import API
from airflow_provider_wriftai.client.references import ModelReference
from airflow_provider_wriftai.domain.retention.policy import RetentionPolicy
from airflow_provider_wriftai.domain.retention.prune import prune
from airflow_provider_wriftai.domain.retention.report import PruneReport
from benchmarks.workloads.memory import resident_megabytes

url, token, owner, name, mode = sys.argv[1:]


async def run() -> PruneReport:
    async with API(url, token) as api:
        policy = RetentionPolicy(keep_last=1)
        return await prune(api, ModelReference(owner, name), policy, dry_run=mode == "dry")


before = resident_megabytes()
began, cpu = time.perf_counter(), time.process_time()
report = asyncio.run(run())
print(
    json.dumps(
        {
            "seconds": time.perf_counter() - began,
            "cpu": time.process_time() - cpu,
            "deleted": report["deleted_count"],
            "planned": report["planned_count"],
            "megabytes": resident_megabytes(peak=True) - before,
        }
    )
)
