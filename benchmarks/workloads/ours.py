"""Get a version repeatedly with our client: ``ours MODE URL TOKEN OWNER NAME COUNT WORKERS``."""

from __future__ import annotations

import asyncio
import json
import sys
import time

from airflow_provider_wriftai.client.api import API
from airflow_provider_wriftai.client.versions import Versions

mode, url, token, owner, name, count_text, workers_text = sys.argv[1:]
count, workers = int(count_text), int(workers_text)
reference = f"{owner}/{name}:1"
if "generation-1" in url:
    with API(url, token) as api:
        reference = Versions(api).list(owner, name).items[0]["reference"]


def sync_gets() -> float:
    with API(url, token) as api:
        versions = Versions(api)
        versions.get(reference)
        began = time.perf_counter()
        for _ in range(count):
            versions.get(reference)
        return time.perf_counter() - began


async def async_gets() -> float:
    async with API(url, token) as api:
        versions = Versions(api)
        began = time.perf_counter()
        remaining = iter(range(count))

        async def worker() -> None:
            for _ in remaining:
                await versions.async_get(reference)

        await asyncio.gather(*(worker() for _ in range(workers)))
        return time.perf_counter() - began


def limited_gets() -> float:
    with API(url, token) as api:
        versions = Versions(api)
        began = time.perf_counter()
        for _ in range(count):
            versions.get(reference)
        return time.perf_counter() - began


began = time.process_time()
if mode == "sync":
    seconds = sync_gets()
elif mode == "async":
    seconds = asyncio.run(async_gets())
else:
    seconds = limited_gets()
print(json.dumps({"seconds": seconds, "cpu": time.process_time() - began}))
