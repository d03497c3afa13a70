"""Deferred waits beside triggers that poll each on its own: requests, memory, CPU, and how late the event loop is.

``python benchmarks/wait.py [--quick]``
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from measure import OWNER, TOKEN, Figure, report, sandbox

from airflow_provider_wriftai.sandbox.store import Store

MODELS, SEEDED = 10, 50
SCRIPTS = Path(__file__).parent / "workloads"
PEER = "a client and a loop each"

Numbers = Mapping[str, float]


@dataclass(frozen=True)
class Case:
    """So many waits, of which each looks so often."""

    waits: int
    interval: float
    intervals: int = 2

    def __str__(self) -> str:
        return f"{self.waits:,} waits, {self.interval:g} s"


def main() -> None:
    """Measure everything, and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer and shorter runs")
    quick = parser.parse_args().quick
    allow_many_connections()
    cases = [Case(1000, 2, 1), Case(10_000, 2, 1)] if quick else [Case(100, 2), Case(1000, 10), Case(10_000, 10)]
    figures = [figure for case in cases for figure in compared(case)]
    report("wait", [*figures, under_limit(Case(1000, 10, 1 if quick else 3))])


def allow_many_connections() -> None:
    """Let the processes have as many connections as peers, of which each has its own, need."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def compared(case: Case) -> Iterator[Figure]:
    """What waits take, ours and the peer's."""
    mine, theirs = waited("ours_wait.py", case), waited("httpx_wait.py", case)

    def figure(work: str, unit: str, key: str, goal: str = "", met: bool | None = None) -> Figure:
        return Figure(f"{case}: {work}", unit, [mine[key]], PEER, [theirs[key]], goal=goal, met=met)

    yield figure("requests an interval", "", "requests")
    yield figure("memory", "KB each", "kilobytes")
    yield figure("CPU an interval", "s", "cpu")
    yield figure("lag p99", "ms", "lag")
    yield figure("lag p99 while they start", "ms", "starting_lag")
    yield figure("lag p99 while they find", "ms", "finding_lag")
    yield figure("from publishing to the last event", "s", "noticed")
    print(case, mine, theirs, sep="\n")


def waited(script: str, case: Case) -> Numbers:
    """Run waits until all have found their version."""
    with versions("--rate-limit", "0") as (url, store), running(script, case, url) as output:
        numbers = until_found(output, store)
        began = time.monotonic()
        numbers["kilobytes"] = told(output)["kilobytes"]
        published = publish(store, began, case.interval)
        finding = told(output)
        numbers["noticed"] = max(finding.get(f"found_{model}", began+1000) - at for model, at in enumerate(published))
        numbers["finding_lag"]= finding["lag"]
        numbers["finding_worst"]= finding["worst_lag"]
        numbers["ready"]= finding["ready"]
        numbers["requests"] /= case.intervals
    return numbers

def until_found(output: IO[str], store: Store) -> dict[str, float]:
    starting = told(output)
    told(output)
    before = asked(store)
    steady = told(output)
    return {
        "starting_lag": starting["lag"],
        "starting_worst": starting["worst_lag"],
        "starting_seconds": starting["seconds"],
        "lag": steady["lag"],
        "worst": steady["worst_lag"],
        "cpu": steady["cpu"],
        "requests": asked(store) - before,
    }


def publish(store: Store, began: float, interval: float) -> list[float]:
    """Publish what is waited for, each model at another moment of one interval; tell when."""
    moments = []
    for model in range(MODELS):
        time.sleep(max(0.0, began + (model + 0.5) / MODELS * interval - time.monotonic()))
        store.create_version(
            OWNER, f"model-{model}", release_notes="", schemas={}, container_image_digest=f"sha256:{model:064x}"
        )
        moments.append(time.monotonic())
    return moments


@contextmanager
def versions(*limit: str) -> Iterator[tuple[str, Store]]:
    """A sandbox with the models, and what it keeps."""
    models = [option for model in range(MODELS) for option in ("--model", f"{OWNER}/model-{model}={SEEDED}")]
    with sandbox(*models, *limit) as (url, database), closing(Store(database)) as store:
        yield url, store


@contextmanager
def running(script: str, case: Case, url: str) -> Iterator[IO[str]]:
    """A process that waits, and what it prints."""
    arguments = (case.waits, MODELS, case.interval, case.intervals, SEEDED + 1)
    command = [sys.executable, str(SCRIPTS / script), *map(str, arguments)]
    connection = {"conn_type": "wriftai", "host": f"{url}/v1", "password": TOKEN}
    with tempfile.TemporaryDirectory() as home:
        environment = {**os.environ, "AIRFLOW_HOME": home, "AIRFLOW_CONN_WRIFTAI_DEFAULT": json.dumps(connection)}
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout is not None
                yield process.stdout
            finally:
                process.terminate()


def told(output: IO[str]) -> dict[str, float]:
    """Read the numbers of the next stage."""
    while line := output.readline():
        if line.startswith("{"):
            numbers: dict[str, float] = json.loads(line)
            return numbers
        print(line, end="")
    raise SystemExit("A workload broke off.")


def asked(store: Store) -> int:
    """Tell how many requests there were so far: the log keeps the latest, but numbers all."""
    return max((int(request["position"]) for request in store.requests(1)), default=0)


def under_limit(case: Case) -> Figure:
    """Waits under the service's limit."""
    runs: dict[str, tuple[float, float]] = {}

    def run(script: str) -> None:
        with versions() as (url, store), running(script, case, url) as output:
            until_found(output, store)
            requests = store.requests(10_000)
            runs[script] = sum(request["status"] == 429 for request in requests), len(requests)

    threads = [threading.Thread(target=run, args=(script,)) for script in ("ours_wait.py", "httpx_wait.py")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(runs)
    mine, theirs = runs["ours_wait.py"], runs["httpx_wait.py"]
    return Figure("limited", "429s", [mine[0]], PEER, [theirs[0]], met=mine[0] == 0)


if __name__ == "__main__":
    main()
