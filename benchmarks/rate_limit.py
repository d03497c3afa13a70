"""One token, many processes: how closely they follow a rate limit, with and without a shared budget.

With ``WRIFTAI_BASELINE``, the folder of another version's source, that version is the peer; otherwise it is this one
without sharing.
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
from pathlib import Path

from benchmarks.figures import Figure
from benchmarks.measure import NAME, OWNER, ROOT, TOKEN, Run, run_workload, sandbox

AT_ONCE = 16
SLOWEST_TRIP = 0.2
MEAN_TRIP = 0.11  # of shared_limit.py
DELETES = 600
PATIENCE = 5.0  # seconds by which a peer may be late, beyond a quarter of the time
BASELINE = os.environ.get("WRIFTAI_BASELINE", "")
PEER = "before" if BASELINE else "not shared"


@dataclass(frozen=True)
class Limit:
    """Requests a second, how many at once, and how many requests each of several processes makes."""

    rate: float
    burst: int
    each: int


LIMITS = (Limit(3.0, 5, 20), Limit(30.0, 10, 60))
COUNTS = (1, 2, 4, 8, 16)
MANY_PROCESSES = 8  # that so many make half as many requests each keeps the benchmark short


@dataclass(frozen=True)
class Outcome:
    """What came of a run of several processes.

    Attributes:
        seconds: Until the last process was done.
        floor: The same if all had shared the limit fairly, and each as far as its round trips allow.
        unfairness: By how much longer than its floor the slowest process took, over the same of the fastest.
        refused: The share of requests that were refused.
        longest_turn: The longest wait of a request, in fair turns.
    """

    seconds: float
    floor: float
    unfairness: float
    refused: float
    longest_turn: float

    def told(self) -> str:
        """Say it in words, but for the seconds."""
        return (
            f"{self.refused:.0%} refused, slowest/fastest {self.unfairness:.2f}, "
            f"longest wait {self.longest_turn:.2f} fair turns"
        )


def measured(*, quick: bool) -> list[Figure]:
    """Measure everything."""
    if quick:
        return [together(Limit(30.0, 10, 20), 2)]
    low, high = LIMITS
    with ThreadPoolExecutor(1) as pool:
        # Under the low limit hardly anything happens, so the rest runs at the same time, once the most processes have
        # started.
        first_begun = threading.Event()
        under_low = pool.submit(lambda: [together(low, count, first_begun) for count in reversed(COUNTS)])
        first_begun.wait()
        others = [*(together(high, count) for count in COUNTS), *prune_and_poller()]
        return [*reversed(under_low.result()), *others]


def together(limit: Limit, count: int, begun: threading.Event | None = None) -> Figure:
    """Processes that share a token, every other one sync, the others async with 16 gets at once.

    Args:
        limit: The limit.
        count: How many processes.
        begun: Set when all have begun.
    """
    each = limit.each * 3 if count == 1 else limit.each // 2 if count >= MANY_PROCESSES else limit.each
    limit = replace(limit, each=each)
    # Both at once: each has a sandbox of its own, and neither keeps a processor busy.
    patience = 1.25 * max((limit.each * count - limit.burst) / limit.rate, limit.each * MEAN_TRIP) + PATIENCE
    with ThreadPoolExecutor() as pool:
        all_begin = threading.Barrier(2, begun.set if begun else None)
        mine = pool.submit(run, limit, count, all_begin)
        others = pool.submit(run, limit, count, all_begin, baseline=True, at_most=patience)
        ours = mine.result()
        try:
            theirs = [others.result()]
        except subprocess.TimeoutExpired:
            theirs = []
    most = 1.03 if count == 1 else 1.10
    return Figure(
        f"{count} × {limit.each} gets at {limit.rate:g} a second",
        "s",
        [ours.seconds],
        PEER if theirs else "",
        [each.seconds for each in theirs],
        "what limit and latency allow",
        [ours.floor],
        goal=f"at most {most:.2f} of the limit, 5 % refused, slowest/fastest 1.25, 2 fair turns",
        met=(
            ours.seconds / ours.floor <= most
            and ours.refused <= 0.05
            and ours.unfairness <= 1.25
            and ours.longest_turn <= 2
        ),
        note=f"{ours.told()}; {PEER}: {theirs[0].told() if theirs else f'given up after {patience:.0f} s'}",
    )


def run(
    limit: Limit,
    count: int,
    all_begin: threading.Barrier,
    *,
    baseline: bool = False,
    at_most: float | None = None,
) -> Outcome:
    """Let processes get a version at once, when the others of a comparison have started, too.

    Raises:
        subprocess.TimeoutExpired: They were not done after ``at_most`` seconds.
    """
    ways = ["sync" if number % 2 == 0 else "async" for number in range(count)]
    with contextlib.ExitStack() as stack:
        url, _ = stack.enter_context(sandbox("--rate-limit", str(limit.rate), "--burst", str(limit.burst)))
        processes = [stack.enter_context(process(way, url, limit.each, baseline=baseline)) for way in ways]
        all_begin.wait()
        runs = results(processes, at_most)
    requests = sum(each["requests"] for each in runs)
    turns = [
        max(each["waits"]) / (workers_of(way) * count / limit.rate + SLOWEST_TRIP)
        for way, each in zip(ways, runs, strict=True)
    ]
    floors = fair_floors(limit, [each["trips"] / workers_of(way) for way, each in zip(ways, runs, strict=True)])
    paces = [each["seconds"] / floor for each, floor in zip(runs, floors, strict=True)]
    return Outcome(
        seconds=max(each["seconds"] for each in runs),
        floor=max(floors),
        unfairness=max(paces) / min(paces),
        refused=sum(each["refused"] for each in runs) / requests,
        longest_turn=max(turns),
    )


def fair_floors(limit: Limit, trips: Sequence[float]) -> list[float]:
    """Return how long each process takes at best, if all share the limit fairly.

    Args:
        limit: The limit, and how many requests each process makes.
        trips: For each process, the seconds of its round trips, over how many of them it has under way at once.
    """
    bound: dict[int, float] = {}
    while True:
        # What those that are bound by their round trips leave is for the others.
        others = len(trips) - len(bound)
        if not others:
            return list(trips)
        rate = limit.rate - sum(limit.each / seconds for seconds in bound.values())
        shared = (limit.each * others - limit.burst) / rate + MEAN_TRIP
        now_bound = {number: seconds for number, seconds in enumerate(trips) if seconds > shared}
        if now_bound.keys() <= bound.keys():
            return [bound.get(number, shared) for number in range(len(trips))]
        bound |= now_bound


def workers_of(way: str) -> int:
    """How many requests a process has under way."""
    return AT_ONCE if way == "async" else 1


@contextlib.contextmanager
def process(
    way: str, url: str, count: int, *, baseline: bool = False, number: int = 1
) -> Iterator[subprocess.Popen[str]]:
    """Start a process that fetches a version on command."""
    # By its path, not as a module: another version of the package must not be hidden by the one beside it.
    script = Path(__file__).parent / "workloads" / "shared_limit.py"
    command = [sys.executable, str(script), way, f"{url}/v1", TOKEN, f"{OWNER}/{NAME}:{number}", str(count)]
    command += [str(workers_of(way)), *(["off"] if baseline else [])]
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
    """Let processes begin."""
    for each in processes:
        assert each.stdin is not None
        each.stdin.write("\n")
        each.stdin.flush()


def results(processes: Sequence[subprocess.Popen[str]], at_most: float | None) -> list[Run]:
    """Let processes begin, and wait for what came of them.

    Raises:
        subprocess.TimeoutExpired: They were not done after ``at_most`` seconds.
    """
    begin(processes)
    ends = None if at_most is None else time.monotonic() + at_most
    outputs = [each.communicate(timeout=None if ends is None else ends - time.monotonic())[0] for each in processes]
    return [json.loads(output.splitlines()[-1]) for output in outputs]


def prune_and_poller() -> list[Figure]:
    """A prune of many versions, beside a process that asks once a second."""
    rate, burst = 30.0, 10
    with (
        sandbox("--rate-limit", str(rate), "--burst", str(burst), versions=DELETES + 1) as (url, _),
        process("poll", url, 0, number=DELETES + 1) as poller,
    ):
        begin([poller])
        pruned = run_workload("ours_prune", f"{url}/v1", TOKEN, OWNER, NAME, "do")
        polled: Run = json.loads(poller.communicate("\n")[0].splitlines()[-1])
    assert pruned["deleted"] == DELETES
    floor = (DELETES + DELETES / 50 + polled["requests"] - burst) / rate
    waits = [1000 * wait for wait in polled["waits"]]
    return [
        Figure(
            f"a prune of {DELETES:,} at {rate:g} a second, beside a poller",
            "s",
            [pruned["seconds"]],
            limit="what the limit allows",
            limits=[floor],
            goal="at most 1.10 of the limit",
            met=pruned["seconds"] / floor <= 1.10,
            note=f"the poller sent {polled['requests']} requests, of which {polled['refused']} were refused",
        ),
        Figure(
            "a poll beside that prune: the longest",
            "ms",
            [max(waits)],
            limit="two fair turns and the longest trip",
            limits=[1000 * (2 * 2 / rate + SLOWEST_TRIP)],
            goal="at most that",
            note=f"median {statistics.median(waits):.0f} ms",
        ).judged(1.0, by_limit=True),
    ]
