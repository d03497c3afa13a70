"""Compare our client with the official clients and plain httpx: speed, concurrency, and rate limiting."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.figures import Figure
from benchmarks.measure import (
    NAME,
    OWNER,
    TOKEN,
    Run,
    bind_workload,
    compare_under_limit,
    count_refusals,
    find_python,
    run_interleaved,
    run_workload,
    sandbox,
)

RATE, BURST, LIMITED = 3.0, 5, 30
NEWEST, OLDEST = "wriftai 0.34.0", "wriftai 0.13.0"


def measure(*, quick: bool) -> list[Figure]:
    """Run all comparisons."""
    times, count = (1, 300) if quick else (3, 1500)
    figures = [
        *compare_construction(times),
        *compare_sequential_gets(times, count),
        *compare_concurrent_gets(times, count),
        compare_limited_gets("sync", 16 if quick else LIMITED),
    ]
    if not quick:
        figures.append(compare_limited_gets("async", LIMITED))
    return figures


def compare_sequential_gets(times: int, count: int) -> list[Figure]:
    """Compare gets of one thread from a local sandbox without a rate limit."""
    with sandbox("--rate-limit", "0") as (url, _):
        arguments = ("sync", f"{url}/v1", TOKEN, OWNER, NAME, count, 1)
        ours, official, plain = run_interleaved(
            times,
            bind_workload("ours", *arguments),
            bind_workload("official", *arguments, python=find_python("wriftai-0.34.0")),
            bind_workload("plain_httpx", *arguments[:-1]),
        )
        arguments = ("sync", f"{url}/generation-1/v1", *arguments[2:])
        mine, oldest = run_interleaved(
            times,
            bind_workload("ours", *arguments),
            bind_workload("official", *arguments, python=find_python("wriftai-0.13.0")),
        )
    gets = Figure(
        f"{count:,} sequential gets",
        "s",
        seconds_of(ours),
        NEWEST,
        seconds_of(official),
        "plain httpx",
        seconds_of(plain),
    )
    return [
        gets.with_floor_goal(1.15),
        Figure(f"{count:,} sequential gets, generation 1", "s", seconds_of(mine), OLDEST, seconds_of(oldest)),
    ]


def compare_concurrent_gets(times: int, count: int) -> list[Figure]:
    """Compare 16 concurrent gets with the official client, once with as many, and once with one gather over all.

    Users of the official client usually write the gather.
    """
    with sandbox("--rate-limit", "0") as (url, _):

        def compare(times: int, count: int, peers_concurrency: int, description: str) -> Figure:
            arguments = ("async", f"{url}/v1", TOKEN, OWNER, NAME, count)
            mine, theirs = run_interleaved(
                times,
                bind_workload("ours", *arguments, 16),
                bind_workload("official", *arguments, peers_concurrency, python=find_python("wriftai-0.34.0")),
            )
            return Figure(
                f"{count:,} gets, 16 concurrent",
                "s",
                seconds_of(mine),
                f"{NEWEST}, {description}",
                seconds_of(theirs),
            ).with_peer_goal(1 / 3)

        # The time of a gather grows with the square of the number of gets, hence fewer gets and one run.
        return [compare(times, count, 16, "16 concurrent"), compare(1, count // 4, 0, "gather")]


def compare_construction(times: int) -> list[Figure]:
    """Compare what another HTTPS client costs in a process that already has one."""
    ours, plain = run_interleaved(
        times, bind_workload("construction", "ours", 50), bind_workload("construction", "plain", 50)
    )
    return [
        Figure(
            f"opening another HTTPS client: {what}",
            unit,
            [run[key] for run in ours],
            "plain httpx",
            [run[key] for run in plain],
        )
        for what, unit, key in (("time", "ms", "milliseconds"), ("memory", "KB", "kilobytes"))
    ]


def compare_limited_gets(mode: str, count: int) -> Figure:
    """Compare gets of one process under a limit of 3 requests per second with a burst of 5."""
    workers = 16 if mode == "async" else 1

    def run(workload: str, mode: str, python: Path | str = sys.executable) -> tuple[Run, int]:
        with sandbox("--rate-limit", str(RATE), "--burst", str(BURST)) as (url, _):
            arguments = (mode, f"{url}/v1", TOKEN, OWNER, NAME, count, workers)
            return run_workload(workload, *arguments, python=python), count_refusals(url)

    # Run both at the same time: each has its own sandbox, and neither keeps a processor busy.
    with ThreadPoolExecutor() as pool:
        started = pool.submit(run, "ours", "async" if mode == "async" else "limited")
        theirs = run("official", mode, find_python("wriftai-0.34.0"))
        ours = started.result()
    return compare_under_limit(
        f"{count} gets at 3 requests per second, {mode}" + (", 16 concurrent" if workers > 1 else ""),
        (count - BURST) / RATE,
        ours,
        NEWEST,
        theirs,
    )


def seconds_of(runs: list[Run]) -> list[float]:
    """Return the durations of runs."""
    return [run["seconds"] for run in runs]
