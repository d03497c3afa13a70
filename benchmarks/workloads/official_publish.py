"""Create versions with the official client 0.34.0: ``official_publish URL TOKEN OWNER NAME COUNT``."""

from __future__ import annotations

import json
import secrets
import sys
import time

from wriftai import Client

url, token, owner, name, count = sys.argv[1:]
versions = Client(access_token=token, api_base_url=url).model_versions
schema = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}

versions.list(f"{owner}/{name}")
began = time.perf_counter()
for number in range(int(count)):
    versions.create(
        f"{owner}/{name}",
        {
            "release_notes": f"number {number}",
            "schemas": {"prediction": {"input": schema, "output": schema}},
            "container_image_digest": f"sha256:{secrets.token_hex(32)}",
        },
    )
print(json.dumps({"seconds": time.perf_counter() - began}))
