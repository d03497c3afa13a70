"""Compare processes that share a token, with and without a shared request budget, under a rate limit.

The peer is the package without sharing or, if ``WRIFTAI_BASELINE`` names the source folder of another version, that
version.
"""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path

from benchmarks.figures import Figure
from benchmarks.measure import NAME, OWNER, ROOT, TOKEN, Run, run_workload, sandbox

CONCURRENCY = 16
SLOWEST_TRIP = 0.2
MEAN_TRIP = 0.11  # in shared_limit.py
DELETES = 600
GRACE = 2.0  # seconds that a peer may take in addition to 1.1 times the floor
BASELINE = os.environ.get("WRIFTAI_BASELINE", "")
PEER = "baseline" if BASELINE else "without sharing"


@dataclass(frozen=True)
class Limit:
    """A rate limit, and the load on it.

    Attributes:
        rate: Requests per second.
        burst: How many requests may be sent at once.
        each: How many requests each process sends.
    """

    rate: float
    burst: int
    each: int


LIMITS = (Limit(3.0, 5, 20), Limit(30.0, 10, 60))
COUNTS = (1, 2, 4, 8, 16)
MANY_PROCESSES = 4  # From this many on, each process sends half as many requests, to keep the benchmark short.


@dataclass(frozen=True)
class Outcome:
    """The outcome of a run of several processes.

    Attributes:
        seconds: The time until the last process was done.
        floor: The shortest possible time, with the limit shared fairly and the given round trips.
        unfairness: The duration of the slowest process relative to its own floor, divided by that of the fastest.
        refused: The share of requests that were refused.
        longest_turn: The longest wait of a request, in fair turns.
    """

    seconds: float
    floor: float
    unfairness: float
    refused: float
    longest_turn: float

    def describe(self) -> str:
        """Describe everything but the durations."""
        return (
            f"{self.refused:.0%} refused, slowest/fastest {self.unfairness:.2f}, "
            f"longest wait {self.longest_turn:.2f} fair turns"
        )


def measure(*, quick: bool) -> list[Figure]:
    """Run all comparisons."""
    if quick:
        return [compare_processes(Limit(30.0, 10, 20), 2)]
    low, high = LIMITS
    with ThreadPoolExecutor(2) as pool:
        # The processor is mostly idle under the low limit, so two groups of processes run at a time, and the rest runs
        # beside them. It starts after the two largest groups, because starting those takes much CPU.
        begun = (threading.Event(), threading.Event())
        under_low = [
            pool.submit(compare_processes, low, count, event) for count, event in zip_longest(reversed(COUNTS), begun)
        ]
        for event in begun:
            event.wait()
        others = [*(compare_processes(high, count) for count in COUNTS), *prune_beside_poller()]
        return [*(each.result() for each in reversed(under_low)), *others]


def compare_processes(limit: Limit, count: int, begun: threading.Event | None = None) -> Figure:
    """Compare processes that share a token; they alternate between sync gets and 16 concurrent async gets.

    Args:
        limit: The rate limit; the requests of each process are scaled by the number of processes.
        count: How many processes to run.
        begun: Set when all processes have begun, or failed to.
    """
    each = limit.each * 2 if count == 1 else limit.each // 2 if count >= MANY_PROCESSES else limit.each
    limit = replace(limit, each=each)
    timeout = 1.1 * max((limit.each * count - limit.burst) / limit.rate, limit.each * MEAN_TRIP) + GRACE
    begun = begun or threading.Event()
    # Run both at the same time: each has its own sandbox, and neither keeps a processor busy.
    with ThreadPoolExecutor() as pool, contextlib.ExitStack() as stack:
        stack.callback(begun.set)
        start = threading.Barrier(2, begun.set)
        mine = pool.submit(run, limit, count, start)
        others = pool.submit(run, limit, count, start, baseline=True, timeout=timeout)
        theirs: list[Outcome] = []
        # If ours fails to begin, its own error says more.
        with contextlib.suppress(subprocess.TimeoutExpired, threading.BrokenBarrierError):
            theirs = [others.result()]
        ours = mine.result()
    most = 1.03 if count == 1 else 1.10
    return Figure(
        f"{count} {'process' if count == 1 else 'processes'} × {limit.each} gets at {limit.rate:g} per second",
        "s",
        [ours.seconds],
        PEER if theirs else "",
        [each.seconds for each in theirs],
        "what the rate limit and the latency allow",
        [ours.floor],
        goal=f"at most {most:.2f} × the floor, 5% refused, slowest/fastest 1.25, 2 fair turns",
        met=(
            ours.seconds / ours.floor <= most
            and ours.refused <= 0.05
            and ours.unfairness <= 1.25
            and ours.longest_turn <= 2
        ),
        note=f"{ours.describe()}; {PEER}: {theirs[0].describe() if theirs else f'stopped after {timeout:.0f} s'}",
    )


def run(
    limit: Limit,
    count: int,
    start: threading.Barrier,
    *,
    baseline: bool = False,
    timeout: float | None = None,
) -> Outcome:
    """Run processes that get a version; begin at the same time as the other side of the comparison.

    Raises:
        subprocess.TimeoutExpired: The processes were not done after ``timeout`` seconds.
        threading.BrokenBarrierError: The other side failed to begin.
    """
    modes = ["sync" if number % 2 == 0 else "async" for number in range(count)]
    with contextlib.ExitStack() as stack:
        try:
            url, _ = stack.enter_context(sandbox("--rate-limit", str(limit.rate), "--burst", str(limit.burst)))
            processes = [
                stack.enter_context(running_process(mode, url, limit.each, baseline=baseline)) for mode in modes
            ]
        except BaseException:
            start.abort()  # otherwise the other side waits forever
            raise
        start.wait()
        runs = collect_results(processes, timeout)
    requests = sum(each["requests"] for each in runs)
    turns = [
        max(each["waits"]) / (concurrency_of(mode) * count / limit.rate + SLOWEST_TRIP)
        for mode, each in zip(modes, runs, strict=True)
    ]
    floors = fair_floors(limit, [each["trips"] / concurrency_of(mode) for mode, each in zip(modes, runs, strict=True)])
    paces = [each["seconds"] / floor for each, floor in zip(runs, floors, strict=True)]
    return Outcome(
        seconds=max(each["seconds"] for each in runs),
        floor=max(floors),
        unfairness=max(paces) / min(paces),
        refused=sum(each["refused"] for each in runs) / requests,
        longest_turn=max(turns),
    )


def fair_floors(limit: Limit, trips: Sequence[float]) -> list[float]:
    """Return the shortest time of each process if all share the limit fairly.

    Args:
        limit: The rate limit, and how many requests each process sends.
        trips: For each process, the total seconds of its round trips divided by its concurrency.
    """
    bound: dict[int, float] = {}
    while True:
        # Processes that are bound by their round trips leave the rest of the rate to the others.
        others = len(trips) - len(bound)
        if not others:
            return list(trips)
        rate = limit.rate - sum(limit.each / seconds for seconds in bound.values())
        shared = (limit.each * others - limit.burst) / rate + MEAN_TRIP
        now_bound = {number: seconds for number, seconds in enumerate(trips) if seconds > shared}
        if now_bound.keys() <= bound.keys():
            return [bound.get(number, shared) for number in range(len(trips))]
        bound |= now_bound


def concurrency_of(mode: str) -> int:
    """Return how many concurrent requests a process sends."""
    return CONCURRENCY if mode == "async" else 1


@contextlib.contextmanager
def running_process(
    mode: str, url: str, count: int, *, baseline: bool = False, number: int = 1
) -> Iterator[subprocess.Popen[str]]:
    """Start a process that gets a version once a line is written to its input."""
    # Run the script by its path, not as a module, which would import this package instead of the baseline's.
    script = Path(__file__).parent / "workloads" / "shared_limit.py"
    command = [sys.executable, str(script), mode, f"{url}/v1", TOKEN, f"{OWNER}/{NAME}:{number}", str(count)]
    command += [str(concurrency_of(mode)), *(["off"] if baseline else [])]
    environment = {**os.environ, "PYTHONPATH": BASELINE if baseline and BASELINE else str(ROOT)}
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as started:
        try:
            assert started.stdout is not None
            assert started.stdout.readline() == "ready\n"
            yield started
        finally:
            started.kill()


def begin(processes: Sequence[subprocess.Popen[str]]) -> None:
    """Write a line to the input of each process."""
    for each in processes:
        assert each.stdin is not None
        each.stdin.write("\n")
        each.stdin.flush()


def collect_results(processes: Sequence[subprocess.Popen[str]], timeout: float | None) -> list[Run]:
    """Let processes begin, wait until they are done, and return their results.

    Raises:
        subprocess.TimeoutExpired: The processes were not done after ``timeout`` seconds.
    """
    begin(processes)
    deadline = None if timeout is None else time.monotonic() + timeout
    outputs = [
        each.communicate(timeout=None if deadline is None else deadline - time.monotonic())[0] for each in processes
    ]
    return [json.loads(output.splitlines()[-1]) for output in outputs]


def prune_beside_poller() -> list[Figure]:
    """Measure a prune of many versions while another process polls once per second."""
    rate, burst = 30.0, 10
    with (
        sandbox("--rate-limit", str(rate), "--burst", str(burst), versions=DELETES + 1) as (url, _),
        running_process("poll", url, 0, number=DELETES + 1) as poller,
    ):
        begin([poller])
        pruned = run_workload("ours_prune", f"{url}/v1", TOKEN, OWNER, NAME, "run")
        polled: Run = json.loads(poller.communicate("\n")[0].splitlines()[-1])
    assert pruned["deleted"] == DELETES
    floor = (DELETES + DELETES / 50 + polled["requests"] - burst) / rate
    waits = [1000 * wait for wait in polled["waits"]]
    longest_wait = 1000 * (2 * 2 / rate + SLOWEST_TRIP)
    return [
        Figure(
            f"pruning {DELETES:,} versions at {rate:g} requests per second, beside a poller",
            "s",
            [pruned["seconds"]],
            floor="what the rate limit allows",
            floors=[floor],
            note=f"the poller sent {polled['requests']} requests, of which {polled['refused']} were refused",
        ).with_floor_goal(1.10),
        Figure(
            "longest poll during that prune",
            "ms",
            [max(waits)],
            goal=f"at most {longest_wait:.0f} ms (two fair turns and the slowest round trip)",
            met=max(waits) <= longest_wait,
            note=f"median {statistics.median(waits):.0f} ms",
        ),
    ]
