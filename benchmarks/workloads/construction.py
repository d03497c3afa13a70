"""Open many HTTPS clients and measure what each costs: ``construction ours|plain COUNT``."""

from __future__ import annotations

import json
import sys
import time

import httpx

from airflow_provider_wriftai.client.api import API

client, count_text = sys.argv[1:]
count = int(count_text)


def resident_kilobytes() -> int:
    with open("/proc/self/status") as status:  # noqa: PTH123
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))


def open_client() -> object:
    if client == "plain":
        return httpx.Client()
    api = API("https://api.wrift.ai/v1", "token")
    with api._transports.lend():
        return api


# All clients stay referenced, so that their memory is measured.
first = open_client()
before = resident_kilobytes()
began = time.perf_counter()
others = [open_client() for _ in range(count)]
seconds = time.perf_counter() - began
print(json.dumps({"milliseconds": seconds / count * 1000, "kilobytes": (resident_kilobytes() - before) / count}))
