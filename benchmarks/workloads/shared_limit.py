"""One of several processes that share a token: ``shared_limit.py WAY URL TOKEN REFERENCE COUNT WORKERS [FOLDER|off]``.

It reports when it is ready, begins on command, and prints the result as JSON. Each round trip takes 20 to
200 ms.
``poll`` gets the version once a second until its input ends.
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

way, url, token, reference, count_text, workers_text, *sharing = sys.argv[1:]
count, workers = int(count_text), int(workers_text)
statuses: list[int] = []
waits: list[float] = []
trips: list[float] = []


def half_a_trip() -> float:
    return random.uniform(0.01, 0.1)  # noqa: S311


def note_trip(response: httpx.Response, began: float) -> None:
    if response.status_code == 200:
        trips.append(time.monotonic() - began)


class Distant(httpx.HTTPTransport):
    def handle_request(self, request: httpx.Request) -> httpx.Response:
        began = time.monotonic()
        time.sleep(half_a_trip())
        response = super().handle_request(request)
        time.sleep(half_a_trip())
        note_trip(response, began)
        return response


class AsyncDistant(httpx.AsyncHTTPTransport):
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        began = time.monotonic()
        await asyncio.sleep(half_a_trip())
        response = await super().handle_async_request(request)
        await asyncio.sleep(half_a_trip())
        note_trip(response, began)
        return response


def open_api() -> API:
    nothing_to_verify = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    transport, async_transport = Distant(verify=nothing_to_verify), AsyncDistant(verify=nothing_to_verify)
    options: dict[str, Any] = {"transport": transport, "async_transport": async_transport}
    # The client of before, as a baseline, does not know it.
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


def polls() -> None:
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
        left = iter(range(count))

        async def worker() -> None:
            for _ in left:
                began = time.monotonic()
                await versions.async_get(reference)
                waits.append(time.monotonic() - began)

        await asyncio.gather(*(worker() for _ in range(workers)))


api = open_api()
print("ready", flush=True)
sys.stdin.readline()
began, cpu = time.monotonic(), time.process_time()
if way == "async":
    asyncio.run(async_gets())
elif way == "poll":
    polls()
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
