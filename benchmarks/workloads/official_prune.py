"""Delete all versions but the newest with the official client 0.34.0: ``official_prune MODE URL TOKEN OWNER NAME``.

MODE is ``sequential`` or ``gather``, the two usual ways to write it.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

from wriftai import Client

mode, url, token, owner, name = sys.argv[1:]
versions = Client(access_token=token, api_base_url=url).model_versions
deleted = failed = 0


def list_references() -> list[str]:
    references: list[str] = []
    options = {"page_size": 50}
    while True:
        page = versions.list(f"{owner}/{name}", options)
        references += [f"{owner}/{name}:{item['number']}" for item in page.items]
        if not page.next_cursor:
            return references
        options = {"page_size": 50, "cursor": page.next_cursor}


def sequential(references: list[str]) -> None:
    global deleted, failed
    for reference in references:
        try:
            versions.delete(reference)
            deleted += 1
        except Exception:  # Any error counts as a failed delete.
            failed += 1


async def gather(references: list[str]) -> None:
    global deleted, failed
    for outcome in await asyncio.gather(*map(versions.async_delete, references), return_exceptions=True):
        if isinstance(outcome, Exception):
            failed += 1
        else:
            deleted += 1


began, cpu = time.perf_counter(), time.process_time()
to_delete = list(reversed(list_references()[1:]))
if mode == "gather":
    asyncio.run(gather(to_delete))
else:
    sequential(to_delete)
print(json.dumps({"seconds": time.perf_counter() - began, "cpu": time.process_time() - cpu, "deleted": deleted,
                  "failed": failed}))  # fmt: skip
