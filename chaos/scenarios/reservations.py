"""Kill processes (kill -9) while they reserve requests from a shared rate limit; the others must continue."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from pathlib import Path

from airflow_provider_wriftai.sandbox.rate_limit import Limit, RateLimit
from chaos.scenario import Finding, Kind, Outcome, Row, Scenario, Setting
from chaos.service import running_service
from chaos.tasks import processes

_RATE = 300.0
_TIMEOUT = 60.0
_MAX_REFUSED = 0.05

_ROW = Row("reservations", "processes killed while they share a rate limit", "requests", frozenset({Kind.LOST}))


def _get(url: str, token: str, folder: Path) -> None:
    from airflow_provider_wriftai.client.api import API
    from airflow_provider_wriftai.client.versions import Versions

    folder.mkdir()
    with API(url, token) as api:
        versions = Versions(api)
        while not (folder.parent / "stop").exists():
            versions.get("acme/shared:1")
            (folder / "begun").touch()
    (folder / "done").touch()


def _run(setting: Setting) -> Iterator[Outcome]:
    draw = random.Random(f"reservations {setting.seed}")  # noqa: S311
    limit = RateLimit(Limit(_RATE, 5), Limit(_RATE, 5))
    folders = [setting.folder / f"survivor-{number}" for number in range(2)]
    with running_service(setting.folder / "service", limit) as service:
        service.add_model("shared", 1)
        arguments = (f"{service.url}/v1", service.new_token())
        survivors = [processes().Process(target=_get, args=(*arguments, folder)) for folder in folders]
        for survivor in survivors:
            survivor.start()
        for number in range(setting.runs):
            folder = setting.folder / f"victim-{number}"
            victim = processes().Process(target=_get, args=(*arguments, folder))
            victim.start()
            began = time.monotonic()
            while not (folder / "begun").exists() and time.monotonic() < began + _TIMEOUT:
                time.sleep(0.01)
            time.sleep(draw.uniform(0, 0.1))
            victim.kill()
            victim.join()
        (setting.folder / "stop").touch()
        for survivor in survivors:
            survivor.join(_TIMEOUT)
            survivor.kill()
        requests = service.store.requests(10_000)
    refused = sum(request["status"] == 429 for request in requests)
    findings = [
        Finding(Kind.LOST, "A survivor did not finish.") for folder in folders if not (folder / "done").exists()
    ]
    if refused > _MAX_REFUSED * len(requests):
        findings.append(Finding(Kind.OTHER, f"{refused} of {len(requests)} requests were refused"))
    notes = {"requests refused with 429": float(refused)}
    yield Outcome(setting.seed, setting.runs, len(requests), findings=tuple(findings), notes=notes)


SCENARIO = Scenario("reservations", (_ROW,), runs=40, quick_runs=10, run=_run)
