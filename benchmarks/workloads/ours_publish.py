"""Publish new images with our rule: ``ours_publish URL TOKEN OWNER NAME COUNT``; prints JSON."""

from __future__ import annotations

import json
import logging
import secrets
import sys
import time

from airflow_provider_wriftai.client.api import API
from airflow_provider_wriftai.client.versions import Versions
from airflow_provider_wriftai.domain.publishing.preflight import check_new_version
from airflow_provider_wriftai.domain.publishing.publish import publish
from airflow_provider_wriftai.domain.sansio import run

url, token, owner, name, count = sys.argv[1:]
logging.disable()
schema = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}

with API(url, token) as api:
    Versions(api).list(owner, name)
    began, cpu = time.perf_counter(), time.process_time()
    for number in range(int(count)):
        image = f"sha256:{secrets.token_hex(32)}"
        schemas = {"prediction": {"input": schema, "output": schema}}
        new = check_new_version(f"{owner}/{name}", image, f"number {number}", schemas)
        made = run(api, publish(new.model, new.params))
        assert made.outcome == "created"
    print(json.dumps({"seconds": time.perf_counter() - began, "cpu": time.process_time() - cpu}))
