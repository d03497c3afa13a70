"""The official client 0.34.0 at the same work, as its users write it: ``official_prune WAY URL TOKEN OWNER NAME``.

WAY is ``sequential`` or ``gather``.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

from wriftai import Client

way, url, token, owner, name = sys.argv[1:]
versions = Client(access_token=token, api_base_url=url).model_versions
deleted = failed = 0


def listed() -> list[str]:
    found: list[str] = []
    options = {"page_size": 50}
    while True:
        page = versions.list(f"{owner}/{name}", options)
        found += [f"{owner}/{name}:{item['number']}" for item in page.items]
        if not page.next_cursor:
            return found
        options = {"page_size": 50, "cursor": page.next_cursor}


def sequential(references: list[str]) -> None:
    global deleted, failed
    for reference in references:
        try:
            versions.delete(reference)
            deleted += 1
        except Exception:  # whatever it is, the report says how many deletes it left undone
            failed += 1


async def gather(references: list[str]) -> None:
    global deleted, failed
    for outcome in await asyncio.gather(*map(versions.async_delete, references), return_exceptions=True):
        if isinstance(outcome, Exception):
            failed += 1
        else:
            deleted += 1


began, cpu = time.perf_counter(), time.process_time()
going = list(reversed(listed()[1:]))
if way == "gather":
    asyncio.run(gather(going))
else:
    sequential(going)
print(json.dumps({"seconds": time.perf_counter() - began, "cpu": time.process_time() - cpu, "deleted": deleted,
                  "failed": failed}))  # fmt: skip
