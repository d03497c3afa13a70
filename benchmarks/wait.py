"""Compare deferred waits with triggers that each poll alone: requests, memory, CPU, lag, and detection delay."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import IO

from airflow_provider_wriftai.sandbox.store import Store
from benchmarks.figures import Figure
from benchmarks.measure import OWNER, ROOT, TOKEN, sandbox

# As many versions as fit the largest page, so that polls read what they read of a model that has been in use.
MODELS, VERSIONS = 10, 50
LAG, KILOBYTES = 50.0, 8.0
# Fewer take no more memory than a process has to spare.
MANY = 1000
OURS, PEER, IDLE = "ours_wait", "httpx_wait", "idle_wait"
# What more waits that start may be later than triggers that do nothing: most is garbage collection over Airflow's
# objects.
START_RATIO = 1.2
PEERS_NAME = "httpx, a client and a loop each"

Numbers = dict[str, float]


@dataclass(frozen=True)
class Case:
    """So many waits on ten models, each of which polls so often.

    Attributes:
        waits: How many.
        interval: Seconds between two polls.
        intervals: How many of them are measured while nothing is found.
    """

    waits: int
    interval: float
    intervals: int = 2

    def __str__(self) -> str:
        return f"{self.waits:,} waits, polls every {self.interval:g} s"


def measured(*, quick: bool) -> list[Figure]:
    """Measure everything."""
    allow_many_connections()
    if quick:
        return compared(Case(1000, 2.5, 1))
    # 10 s is what a user may well choose; fewer have shorter ones, to see how little there is to them.
    cases = [Case(100, 2), Case(1000, 5), Case(10_000, 10)]
    return [*(figure for case in cases for figure in compared(case)), under_limit(Case(1000, 10, 3))]


def allow_many_connections() -> None:
    """Let every process have as many connections as it may: each peer has its own."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def compared(case: Case) -> list[Figure]:
    """Measure ours and the peers, one after the other."""
    mine = waited(OURS, case)
    assert mine["ready"] == case.waits, mine
    theirs = waited(PEER, case)
    interval = case.interval

    def row(work: str, unit: str, key: str, most: float | None = None) -> Figure:
        """Make a figure; the peers may not have come so far."""
        peer, values = (PEERS_NAME, [theirs[key]]) if key in theirs else ("", [])
        goal, met = ("", None) if most is None else (f"at most {most:g} {unit}", mine[key] <= most)
        note = lag_note(mine, theirs, key) if unit == "ms" else peers_note(case, theirs) if key == "requests" else ""
        return Figure(f"{case}: {work}", unit, [mine[key]], peer, values, goal=goal, met=met, note=note)

    figures = [
        row("requests an interval", "requests", "requests", MODELS),
        row("CPU an interval", "s", "cpu"),
        row("lag p99", "ms", "steady lag", LAG),
        starting_lag(case, mine) if case.waits > MANY else row("lag p99 while they start", "ms", "starting lag", LAG),
        row("lag p99 while they find", "ms", "finding lag"),
        row("from publishing to the last event", "s", "noticed", interval),
    ]
    if case.waits >= MANY:
        figures.append(row("memory each", "KB", "kilobytes", KILOBYTES))
    return figures


def starting_lag(case: Case, mine: Numbers) -> Figure:
    """Compare how late the event loop is while a great many waits start with triggers that do nothing."""
    with versions("--rate-limit", "0") as (url, _), running(IDLE, case, url) as output:
        idle = staged("starting", told(output))
    key, most = "starting lag", START_RATIO * idle["starting lag"]
    return Figure(
        f"{case}: lag p99 while they start",
        "ms",
        [mine[key]],
        "triggers that do nothing",
        [idle[key]],
        goal=f"at most {START_RATIO:g} of those",
        met=mine[key] <= most,
        note=lag_note(mine, idle, key),
    )


def lag_note(mine: Numbers, theirs: Numbers, key: str) -> str:
    """Tell the worst, and how much of it Python's collector of garbage can be."""
    stage = key.removesuffix("lag")

    def of(numbers: Numbers) -> str:
        return f"{numbers[stage + 'worst']:.0f} ms, longest garbage collection {numbers[stage + 'collection']:.0f} ms"

    return f"worst {of(mine)}" + (f"; peers: worst {of(theirs)}" if key in theirs else "")


def peers_note(case: Case, theirs: Numbers) -> str:
    """Tell how far the peers came, where that is not as far as ours."""
    if theirs["started"] < case.waits:
        tried = f"{theirs['started']:,.0f} were started in {theirs['seconds']:.0f} s"
        return f"as many peers are more than this machine can do: {tried}, and the rest was given up"
    return "" if theirs["ready"] == case.waits else f"{theirs['ready']:,.0f} of the peers found their version"


def waited(script: str, case: Case) -> Numbers:
    """Run waits until all have found their version, or not even all could be started."""
    with versions("--rate-limit", "0") as (url, store), running(script, case, url) as output:
        numbers = until_steady(output, store, case)
        if numbers["started"] == case.waits:
            began = time.monotonic()
            numbers |= told(output)
            published = publish(store, began, case.interval)
            found = told(output)
            numbers |= {"ready": found["ready"], **staged("finding", found)}
            if found["ready"] == case.waits:
                numbers["noticed"] = max(found[f"found_{model}"] - moment for model, moment in enumerate(published))
    return numbers


def until_steady(output: IO[str], store: Store, case: Case) -> Numbers:
    """Follow waits while they start, and while nothing is found."""
    starting = told(output)
    numbers = {"started": starting["started"], "seconds": starting["seconds"], **staged("starting", starting)}
    if numbers["started"] < case.waits:
        return numbers
    told(output)
    before = asked(store)
    steady = told(output)
    requests = (asked(store) - before) / case.intervals
    return {**numbers, "requests": requests, "cpu": steady["cpu"], **staged("steady", steady)}


def staged(stage: str, numbers: Numbers) -> Numbers:
    """Name what was measured of the event loop after the stage."""
    return {f"{stage} {key}": numbers[key] for key in ("lag", "worst", "collection")}


def publish(store: Store, began: float, interval: float) -> list[float]:
    """Publish what is waited for, each model at another moment of one interval, and report when.

    The polls come half an interval after it began, or a little later where the event loop is late. So what waits
    longest for one waits nine tenths of an interval, and not so long that it is chance which of two polls sees it.
    """
    moments = []
    for model in range(MODELS):
        time.sleep(max(0.0, began + (model + 0.9) / MODELS * interval - time.monotonic()))
        image = f"sha256:{model:064x}"
        store.create_version(OWNER, f"model-{model}", release_notes="", schemas={}, container_image_digest=image)
        moments.append(time.monotonic())
    return moments


def under_limit(case: Case) -> Figure:
    """Waits under the service's limit: 3 requests a second."""

    def refused(script: str) -> tuple[int, int]:
        with versions() as (url, store), running(script, case, url) as output:
            until_steady(output, store, case)
            requests = store.requests(10_000)
        return sum(request["status"] == 429 for request in requests), len(requests)

    # Both at once: each has a sandbox of its own, and neither keeps a processor busy.
    with ThreadPoolExecutor() as pool:
        (mine, my_requests), (theirs, their_requests) = pool.map(refused, (OURS, PEER))
    return Figure(
        f"{case}: under 3 requests a second",
        "429s",
        [mine],
        PEERS_NAME,
        [theirs],
        goal="none",
        met=mine == 0,
        note=f"of {my_requests} requests of ours, and {their_requests} of the peers, from the first wait on until "
        f"{case.intervals} intervals had passed with all",
    )


@contextmanager
def versions(*limit: str) -> Iterator[tuple[str, Store]]:
    """A sandbox with the models, and what it keeps."""
    models = [option for model in range(MODELS) for option in ("--model", f"{OWNER}/model-{model}={VERSIONS}")]
    with sandbox(*models, *limit) as (url, database), closing(Store(database)) as store:
        yield url, store


@contextmanager
def running(workload: str, case: Case, url: str) -> Iterator[IO[str]]:
    """A process that waits, and what it prints."""
    arguments = (case.waits, MODELS, case.interval, case.intervals, VERSIONS + 1)
    command = [sys.executable, "-m", f"benchmarks.workloads.{workload}", *map(str, arguments)]
    connection = json.dumps({"conn_type": "wriftai", "host": f"{url}/v1", "password": TOKEN})
    with tempfile.TemporaryDirectory() as home:
        environment = {**os.environ, "AIRFLOW_HOME": home, "AIRFLOW_CONN_WRIFTAI_DEFAULT": connection}
        with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout is not None
                yield process.stdout
            finally:
                process.terminate()


def told(output: IO[str]) -> Numbers:
    """Read the numbers of the next stage, past what Airflow logs."""
    for line in output:
        if line.startswith("{"):
            numbers: Numbers = json.loads(line)
            return numbers
        print(line, end="", file=sys.stderr)
    raise SystemExit("A process that waits broke off.")


def asked(store: Store) -> int:
    """Tell how many requests there were: the log keeps the latest, but counts all."""
    return max((int(request["position"]) for request in store.requests(1)), default=0)
