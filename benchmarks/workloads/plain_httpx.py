"""Get a version repeatedly with plain httpx, as the floor: ``plain_httpx sync URL TOKEN OWNER NAME COUNT``."""

from __future__ import annotations

import json
import sys
import time

import httpx

url, token, owner, name, count_text = sys.argv[2:7]
path = f"{url}/models/{owner}/{name}/versions/1"

with httpx.Client(headers={"authorization": f"Bearer {token}"}) as client:
    client.get(path).raise_for_status().json()
    began = time.perf_counter()
    for _ in range(int(count_text)):
        client.get(path).raise_for_status().json()
    print(json.dumps({"seconds": time.perf_counter() - began}))
