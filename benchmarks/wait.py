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

# The largest page holds this many versions, so each poll reads as much as it does for a model in regular use.
MODELS, VERSIONS = 10, 50
LAG, KILOBYTES = 50.0, 8.0
# With fewer waits, the memory per wait is too small to measure.
MANY = 1000
OURS, PEER, IDLE = "ours_wait", "httpx_wait", "idle_wait"
# The allowed event loop lag while more waits start, relative to idle triggers: most of it is garbage collection of
# Airflow's objects.
START_RATIO = 1.2
PEERS_NAME = "httpx, a client and a loop per trigger"
STARTING_LAG = "event loop lag while waits start, p99"

Numbers = dict[str, float]


@dataclass(frozen=True)
class Case:
    """Waits on ten models.

    Attributes:
        waits: How many waits there are.
        interval: Seconds between two polls.
        intervals: How many intervals to measure before the versions are published.
    """

    waits: int
    interval: float
    intervals: int = 2

    def __str__(self) -> str:
        return f"{self.waits:,} waits, polls every {self.interval:g} s"


def measure(*, quick: bool) -> list[Figure]:
    """Run all comparisons."""
    allow_many_connections()
    if quick:
        return compare(Case(1000, 2.5, 1))
    # 10 s is a realistic interval; fewer waits poll more often, so that their cost is large enough to measure.
    cases = [Case(100, 2), Case(1000, 4), Case(10_000, 10, 1)]
    return [*(figure for case in cases for figure in compare(case)), compare_refusals(Case(1000, 10, 2))]


def allow_many_connections() -> None:
    """Raise the limit of open files, which all processes inherit: each peer has its own connection."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def compare(case: Case) -> list[Figure]:
    """Measure our waits and the peers, one after the other."""
    mine = run_waits(OURS, case)
    assert mine.get("ready") == case.waits, mine
    # This machine cannot run as many peers as the largest case has waits.
    theirs = run_waits(PEER, case) if case.waits <= MANY else {}

    def row(work: str, unit: str, key: str, most: float | None = None) -> Figure:
        """Return a figure, without the peers if they did not reach the stage."""
        peer, values = (PEERS_NAME, [theirs[key]]) if key in theirs else ("", [])
        goal, met = ("", None) if most is None else (f"at most {most:g} {unit}", mine[key] <= most)
        note = note_lag(mine, theirs, key) if unit == "ms" else note_peers(case, theirs) if key == "requests" else ""
        return Figure(f"{case}: {work}", unit, [mine[key]], peer, values, goal=goal, met=met, note=note)

    figures = [
        row("requests per interval", "requests", "requests", MODELS),
        row("CPU per interval", "s", "cpu"),
        row("event loop lag, p99", "ms", "steady lag", LAG),
        compare_starting_lag(case, mine) if case.waits > MANY else row(STARTING_LAG, "ms", "starting lag", LAG),
        row("event loop lag while versions are found, p99", "ms", "finding lag"),
        row("delay from publishing to the last event", "s", "delay", case.interval),
    ]
    if case.waits >= MANY:
        figures.append(row("memory per wait", "KB", "kilobytes", KILOBYTES))
    return figures


def compare_starting_lag(case: Case, mine: Numbers) -> Figure:
    """Compare the longest event loop lag while many waits start with that of idle triggers.

    It is one garbage collection over all objects of the process. A percentile would depend on whether there is another.
    """
    with sandbox_with_models("--rate-limit", "0") as (url, _), running(IDLE, case, url) as output:
        idle = name_lag("starting", read_stage(output))
    return Figure(
        f"{case}: longest event loop lag while waits start",
        "ms",
        [mine["starting worst"]],
        "idle triggers",
        [idle["starting worst"]],
        note=note_lag(mine, idle, "starting lag"),
    ).with_peer_goal(START_RATIO)


def note_lag(mine: Numbers, theirs: Numbers, key: str) -> str:
    """Return the longest lag, and how much of it may be garbage collection."""
    stage = key.removesuffix("lag")

    def of(numbers: Numbers) -> str:
        return f"{numbers[stage + 'worst']:.0f} ms, longest garbage collection {numbers[stage + 'collection']:.0f} ms"

    return f"longest lag {of(mine)}" + (f"; peers: longest lag {of(theirs)}" if key in theirs else "")


def note_peers(case: Case, theirs: Numbers) -> str:
    """Return how many peers started or found their version, if not all of them did."""
    if not theirs:
        return "this machine cannot run as many peers"
    if theirs["started"] < case.waits:
        started = f"only {theirs['started']:,.0f} started within {theirs['seconds']:.0f} s"
        return f"this machine cannot run as many peers: {started}, so their run was stopped"
    return "" if theirs["ready"] == case.waits else f"{theirs['ready']:,.0f} of the peers found their version"


def run_waits(workload: str, case: Case) -> Numbers:
    """Run waits until all have found their version; stop early if not all of them start in time."""
    with sandbox_with_models("--rate-limit", "0") as (url, store), running(workload, case, url) as output:
        numbers = measure_until_steady(output, store, case)
        if numbers["started"] == case.waits:
            began = time.monotonic()
            numbers |= read_stage(output)
            published = publish(store, began, case.interval)
            found = read_stage(output)
            numbers |= {"ready": found["ready"], **name_lag("finding", found)}
            if found["ready"] == case.waits:
                numbers["delay"] = max(found[f"found_{model}"] - moment for model, moment in enumerate(published))
    return numbers


def measure_until_steady(output: IO[str], store: Store, case: Case) -> Numbers:
    """Measure waits while they start, and then while all of them wait."""
    starting = read_stage(output)
    numbers = {"started": starting["started"], "seconds": starting["seconds"], **name_lag("starting", starting)}
    if numbers["started"] < case.waits:
        return numbers
    read_stage(output)
    before = count_requests(store)
    steady = read_stage(output)
    requests = (count_requests(store) - before) / case.intervals
    return {**numbers, "requests": requests, "cpu": steady["cpu"], **name_lag("steady", steady)}


def name_lag(stage: str, numbers: Numbers) -> Numbers:
    """Return the numbers about the event loop, with the stage in their names."""
    return {f"{stage} {key}": numbers[key] for key in ("lag", "worst", "collection")}


def publish(store: Store, began: float, interval: float) -> list[float]:
    """Publish the version of each model at a different point of one interval; return the times.

    The polls happen half an interval after ``began``, or slightly later if the event loop lags. The longest delay until
    the next poll is therefore nine tenths of an interval, so chance does not decide which poll finds a version.
    """
    moments = []
    for model in range(MODELS):
        time.sleep(max(0.0, began + (model + 0.9) / MODELS * interval - time.monotonic()))
        image = f"sha256:{model:064x}"
        store.create_version(OWNER, f"model-{model}", release_notes="", schemas={}, container_image_digest=image)
        moments.append(time.monotonic())
    return moments


def compare_refusals(case: Case) -> Figure:
    """Compare how many requests are refused under the service's limit of 3 requests per second."""

    def refused(workload: str) -> tuple[int, int]:
        with sandbox_with_models() as (url, store), running(workload, case, url) as output:
            measure_until_steady(output, store, case)
            requests = store.requests(10_000)
        return sum(request["status"] == 429 for request in requests), len(requests)

    # Run both at the same time: each has its own sandbox, and neither keeps a processor busy.
    with ThreadPoolExecutor() as pool:
        (mine, my_requests), (theirs, their_requests) = pool.map(refused, (OURS, PEER))
    return Figure(
        f"{case}: refused under a limit of 3 requests per second",
        "requests",
        [mine],
        PEERS_NAME,
        [theirs],
        goal="none",
        met=mine == 0,
        note=f"of {my_requests:,} requests of ours and {their_requests:,} of the peers, "
        f"until {case.intervals} intervals after all waits had started",
    )


@contextmanager
def sandbox_with_models(*limit: str) -> Iterator[tuple[str, Store]]:
    """Run a sandbox with the models; yield its URL and its store."""
    models = [option for model in range(MODELS) for option in ("--model", f"{OWNER}/model-{model}={VERSIONS}")]
    with sandbox(*models, *limit) as (url, database), closing(Store(database)) as store:
        yield url, store


@contextmanager
def running(workload: str, case: Case, url: str) -> Iterator[IO[str]]:
    """Run a workload in its own process; yield its output."""
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


def read_stage(output: IO[str]) -> Numbers:
    """Return the numbers of the next stage; pass on what Airflow logs before them."""
    for line in output:
        if line.startswith("{"):
            numbers: Numbers = json.loads(line)
            return numbers
        print(line, end="", file=sys.stderr)
    raise SystemExit("The process with the waits ended early.")


def count_requests(store: Store) -> int:
    """Return the number of all requests; the log keeps only the latest, but their positions count all."""
    return max((int(request["position"]) for request in store.requests(1)), default=0)
