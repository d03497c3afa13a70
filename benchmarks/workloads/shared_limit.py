"""One of several processes that share a token: ``shared_limit.py MODE URL TOKEN REFERENCE COUNT WORKERS [FOLDER|off]``.

The process prints ``ready``, begins when it reads a line, and prints its result as JSON. The latency of each request is
20 to 200 ms. MODE is ``sync``, ``async``, or ``poll``; ``poll`` gets the version once per second until it reads another
line.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import random
import ssl
import sys
import threading
import time
from typing import Any

import httpx

from airflow_provider_wriftai.client.api import API
from airflow_provider_wriftai.client.versions import Versions

mode, url, token, reference, count_text, workers_text, *sharing = sys.argv[1:]
count, workers = int(count_text), int(workers_text)
statuses: list[int] = []
waits: list[float] = []
trips: list[float] = []


def random_delay() -> float:
    return random.uniform(0.01, 0.1)  # noqa: S311


def record_trip(response: httpx.Response, began: float) -> None:
    if response.status_code == 200:
        trips.append(time.monotonic() - began)


class SlowTransport(httpx.HTTPTransport):
    def handle_request(self, request: httpx.Request) -> httpx.Response:
        began = time.monotonic()
        time.sleep(random_delay())
        response = super().handle_request(request)
        time.sleep(random_delay())
        record_trip(response, began)
        return response


class AsyncSlowTransport(httpx.AsyncHTTPTransport):
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        began = time.monotonic()
        await asyncio.sleep(random_delay())
        response = await super().handle_async_request(request)
        await asyncio.sleep(random_delay())
        record_trip(response, began)
        return response


def open_api() -> API:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    transport, async_transport = SlowTransport(verify=context), AsyncSlowTransport(verify=context)
    options: dict[str, Any] = {"transport": transport, "async_transport": async_transport}
    # The client of a baseline may not have this parameter.
    if "rate_limit_sharing" in inspect.signature(API).parameters and sharing:
        options["rate_limit_sharing"] = sharing[0]
    return API(url, token, observe=lambda method, status: statuses.append(status), **options)


def get(versions: Versions) -> None:
    began = time.monotonic()
    versions.get(reference)
    waits.append(time.monotonic() - began)


def sync_gets() -> None:
    with api:
        for _ in range(count):
            get(Versions(api))


def poll() -> None:
    ended = threading.Event()

    def end() -> None:
        sys.stdin.readline()
        ended.set()

    threading.Thread(target=end, daemon=True).start()
    with api:
        while not ended.wait(1.0):
            get(Versions(api))


async def async_gets() -> None:
    async with api:
        versions = Versions(api)
        remaining = iter(range(count))

        async def worker() -> None:
            for _ in remaining:
                began = time.monotonic()
                await versions.async_get(reference)
                waits.append(time.monotonic() - began)

        await asyncio.gather(*(worker() for _ in range(workers)))


api = open_api()
print("ready", flush=True)
sys.stdin.readline()
began, cpu = time.monotonic(), time.process_time()
if mode == "async":
    asyncio.run(async_gets())
elif mode == "poll":
    poll()
else:
    sync_gets()
print(
    json.dumps(
        {
            "seconds": time.monotonic() - began,
            "cpu": time.process_time() - cpu,
            "requests": len(statuses),
            "refused": statuses.count(429),
            "waits": waits,
            "trips": sum(trips),
        }
    )
)
