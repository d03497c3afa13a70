"""Get a version repeatedly with an official client: ``official MODE URL TOKEN OWNER NAME COUNT WORKERS``.

The client is 0.13.0 or 0.34.0. 0 WORKERS make one gather over all gets, as its users usually write it.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from importlib.metadata import version

import httpx
from wriftai import Client

mode, url, token, owner, name, count_text, workers_text = sys.argv[1:]
count, workers = int(count_text), int(workers_text)
client = Client(access_token=token, api_base_url=url)
if version("wriftai") == "0.13.0":
    versions = client.versions
    reference = versions.list(owner, name).items[0]["id"]
else:
    versions = client.model_versions
    reference = f"{owner}/{name}:1"
failed = 0


def sync_gets() -> float:
    global failed
    began = time.perf_counter()
    for _ in range(count):
        try:
            versions.get(reference)
        except httpx.HTTPStatusError:
            failed += 1
    return time.perf_counter() - began


async def async_gets() -> float:
    semaphore = asyncio.Semaphore(workers or count)

    async def one() -> None:
        global failed
        async with semaphore:
            try:
                await versions.async_get(reference)
            except httpx.HTTPStatusError:
                failed += 1

    began = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(count)))
    return time.perf_counter() - began


began = time.process_time()
seconds = asyncio.run(async_gets()) if mode == "async" else sync_gets()
print(json.dumps({"seconds": seconds, "cpu": time.process_time() - began, "failed": failed}))
