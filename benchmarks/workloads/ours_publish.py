"""Publish new images with our package: ``ours_publish URL TOKEN OWNER NAME COUNT``."""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
import sys
import time

from airflow_provider_wriftai.client.api import API
from airflow_provider_wriftai.client.versions import Versions
from airflow_provider_wriftai.domain.publishing.preflight import check_new_version
from airflow_provider_wriftai.domain.publishing.publish import publish
from airflow_provider_wriftai.domain.sansio import arun

url, token, owner, name, count = sys.argv[1:]
logging.disable()
schema = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
requests: list[str] = []


async def main() -> None:
    async with API(url, token, observe=lambda method, status: requests.append(method)) as api:
        await Versions(api).async_list(owner, name)
        requests.clear()
        began, cpu = time.perf_counter(), time.process_time()
        for number in range(int(count)):
            image = f"sha256:{secrets.token_hex(32)}"
            schemas = {"prediction": {"input": schema, "output": schema}}
            new = check_new_version(f"{owner}/{name}", image, f"number {number}", schemas)
            published = await arun(api, publish(new.model, new.params, service=url))
            assert published.outcome == "created"
        seconds = time.perf_counter() - began
        numbers = {"seconds": seconds, "cpu": time.process_time() - cpu, "requests": len(requests) / int(count)}
        print(json.dumps(numbers))


asyncio.run(main())
