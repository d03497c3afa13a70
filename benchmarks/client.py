"""The client beside the official one and beside plain httpx: time per request, concurrency, and the rate limit.

``python benchmarks/client.py [--quick]``
"""

from __future__ import annotations

import argparse
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

from measure import NAME, OWNER, TOKEN, Figure, in_turn, judged, official_client, refusals, report, run_script, sandbox

RATE, BURST, LIMITED = 3.0, 5, 60
IDEAL = (LIMITED - BURST) / RATE


def main() -> None:
    """Measure everything, and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer and shorter runs")
    quick = parser.parse_args().quick
    times = 3 if quick else 5
    figures = [*construction(times), *without_limit(times, 500 if quick else 2000)]
    figures += [under_limit(way, 1 if quick else 2) for way in ("sync", "async")]
    figures.append(two_processes(1 if quick else 2))
    report("client", figures)


def work(script: str, *arguments: object, python: object = sys.executable) -> Callable[[], Mapping[str, float]]:
    """A workload that can be run again and again."""
    return lambda: run_script(script, *arguments, python=str(python))


def without_limit(times: int, count: int) -> list[Figure]:
    """Requests to a server on this machine that limits nobody."""
    with sandbox("--rate-limit", "0") as (url, _):
        job = (f"{url}/v1", TOKEN, OWNER, NAME, count)
        sync, plain = in_turn(times, work("ours.py", "sync", *job, 1), work("plain_httpx.py", "sync", *job, 1))
        official = official_client("0.34.0")
        ours = work("ours.py", "async", *job, 16)
        # A gather over thousands at once takes the official client over a minute: fewer runs of it.
        pairs = {
            "wriftai 0.34.0, 16 at once": in_turn(times, ours, work("official.py", "async", *job, 16, python=official)),
            "wriftai 0.34.0, gather": in_turn(2, ours, work("official.py", "async", *job, 0, python=official)),
        }
    per_request = Figure(
        f"{count} gets, one after the other",
        "ms each",
        [run["seconds"] / count * 1000 for run in sync],
        "plain httpx",
        [run["seconds"] / count * 1000 for run in plain],
        goal="at most 1.15",
    )
    at_once = [
        judged(
            Figure(
                f"{count} gets, 16 at once",
                "s",
                [run["seconds"] for run in mine],
                peer,
                [run["seconds"] for run in theirs],
                goal="at most 0.33",
            ),
            1 / 3,
        )
        for peer, (mine, theirs) in pairs.items()
    ]
    return [judged(per_request, 1.15), *at_once]


def construction(times: int) -> list[Figure]:
    """Opening another connection to an https API in a process that has one."""
    ours, plain = in_turn(times, work("construction.py", "ours", 50), work("construction.py", "plain", 50))
    return [
        Figure(
            f"opening one more client for https: {unit}",
            unit,
            [run[key] for run in ours],
            "plain httpx",
            [run[key] for run in plain],
        )
        for key, unit in (("milliseconds", "ms"), ("kilobytes", "KB"))
    ]


def under_limit(way: str, times: int) -> Figure:
    """60 requests of one process under a limit of 3 a second and a burst of 5."""
    workers = 16 if way == "async" else 1
    official = official_client("0.34.0")
    refused, failed = [], []

    def ours() -> Mapping[str, float]:
        with limited_sandbox() as (url, _):
            run = run_script("ours.py", limited_work(way), f"{url}/v1", TOKEN, OWNER, NAME, LIMITED, workers)
            refused.append(refusals(url))
        return run

    def theirs() -> Mapping[str, float]:
        with limited_sandbox() as (url, _):
            job = (f"{url}/v1", TOKEN, OWNER, NAME, LIMITED, workers)
            run = run_script("official.py", way, *job, python=official)
            failed.append((refusals(url), int(run["failed"])))
        return run

    mine, peers = in_turn(times, ours, theirs)
    seconds = [run["seconds"] for run in mine]
    slowest = max(seconds) / IDEAL
    return Figure(
        f"{LIMITED} gets under 3 a second, {way}" + (", 16 at once" if workers > 1 else ""),
        "s",
        seconds,
        "wriftai 0.34.0",
        [run["seconds"] for run in peers],
        goal="within 1.03 of the limit, at most one 429",
        met=slowest <= 1.03 and max(refused) <= 1,
        note=f"the limit makes it take {IDEAL:.2f} s; ours at most {slowest:.3f} of that, 429s {refused}, none failed; "
        f"wriftai 0.34.0: 429s {[count for count, _ in failed]}, requests that failed {[lost for _, lost in failed]}",
    )


def limited_work(way: str) -> str:
    """The name of our workload that begins with the first request."""
    return "async" if way == "async" else "limited"


def two_processes(times: int) -> Figure:
    """Two processes that share a token: 30 requests each."""
    taken = []
    for _ in range(times):
        with limited_sandbox() as (url, _):
            job = ("async", f"{url}/v1", TOKEN, OWNER, NAME, LIMITED // 2, 16)
            runs: list[float] = []
            threads = [
                threading.Thread(target=lambda job=job, runs=runs: runs.append(run_script("ours.py", *job)["seconds"]))
                for _ in range(2)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert len(runs) == 2, "a process failed"
            taken.append(max(runs))
    worst = max(taken) / IDEAL
    return Figure(
        f"two processes, {LIMITED // 2} gets each, one token",
        "s",
        taken,
        "the limit",
        [IDEAL] * times,
        goal="at most 1.15",
        met=worst <= 1.15,
        note=f"at worst {worst:.3f} of the limit",
    )


def limited_sandbox() -> AbstractContextManager[tuple[str, Path]]:
    """A sandbox with the service's limit."""
    return sandbox("--rate-limit", str(RATE), "--burst", str(BURST))


if __name__ == "__main__":
    main()
