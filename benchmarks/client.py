"""Compare the client with the official ones and plain httpx: time per request, concurrency, and the rate limit."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path

from benchmarks.figures import Figure
from benchmarks.measure import (
    NAME,
    OWNER,
    TOKEN,
    Run,
    in_turn,
    python_of,
    refusals,
    run_workload,
    sandbox,
    under_limit,
    work,
)

RATE, BURST, LIMITED = 3.0, 5, 30
NEWEST, OLDEST = "wriftai 0.34.0", "wriftai 0.13.0"


def measured(*, quick: bool) -> list[Figure]:
    """Measure everything."""
    times, count = (1, 300) if quick else (3, 2000)
    figures = [
        *construction(times),
        *one_after_the_other(times, count),
        *at_once(times, count),
        under_limit_by("sync", 16 if quick else LIMITED),
    ]
    if not quick:
        figures.append(under_limit_by("async", LIMITED))
    return figures


def one_after_the_other(times: int, count: int) -> list[Figure]:
    """Gets of one thread, from a server on this machine that limits nobody."""
    with sandbox("--rate-limit", "0") as (url, _):
        job = ("sync", f"{url}/v1", TOKEN, OWNER, NAME, count, 1)
        ours, official, plain = in_turn(
            times,
            work("ours", *job),
            work("official", *job, python=python_of("wriftai-0.34.0")),
            work("plain_httpx", *job[:-1]),
        )
        older = ("sync", f"{url}/generation-1/v1", *job[2:])
        mine, oldest = in_turn(
            times, work("ours", *older), work("official", *older, python=python_of("wriftai-0.13.0"))
        )
    gets = Figure(
        f"{count:,} gets, one after the other",
        "s",
        seconds_of(ours),
        NEWEST,
        seconds_of(official),
        "plain httpx",
        seconds_of(plain),
        goal="at most 1.15 of the limit",
    )
    return [
        gets.judged(1.15, by_limit=True),
        Figure(
            f"{count:,} gets of generation 1, one after the other", "s", seconds_of(mine), OLDEST, seconds_of(oldest)
        ),
    ]


def at_once(times: int, count: int) -> list[Figure]:
    """Gets with 16 under way at once; and beside all at once, as the official client's users write it."""
    with sandbox("--rate-limit", "0") as (url, _):
        job = ("async", f"{url}/v1", TOKEN, OWNER, NAME, count)
        few = (*job[:-1], count // 4)
        official = python_of("wriftai-0.34.0")
        # A gather takes the official client a time that grows with the square of the number: fewer gets, and one run.
        pairs = [
            (count, "16 at once", in_turn(times, work("ours", *job, 16), work("official", *job, 16, python=official))),
            (count // 4, "gather", in_turn(1, work("ours", *few, 16), work("official", *few, 0, python=official))),
        ]
    return [
        Figure(
            f"{gets:,} gets, 16 at once",
            "s",
            seconds_of(mine),
            f"{NEWEST}, {way}",
            seconds_of(theirs),
            goal="at most 0.33",
        ).judged(1 / 3)
        for gets, way, (mine, theirs) in pairs
    ]


def construction(times: int) -> list[Figure]:
    """Opening another connection to an https API in a process that has one."""
    ours, plain = in_turn(times, work("construction", "ours", 50), work("construction", "plain", 50))
    return [
        Figure(
            f"opening one more client for https: {what}",
            unit,
            [run[key] for run in ours],
            "plain httpx",
            [run[key] for run in plain],
        )
        for what, unit, key in (("time", "ms", "milliseconds"), ("memory", "KB", "kilobytes"))
    ]


def under_limit_by(way: str, count: int) -> Figure:
    """Gets of one process under a limit of 3 a second and a burst of 5."""
    workers = 16 if way == "async" else 1

    def limited(workload: str, mode: str, python: Path | None) -> tuple[Run, int]:
        with limited_sandbox() as (url, _):
            job = (mode, f"{url}/v1", TOKEN, OWNER, NAME, count, workers)
            run = run_workload(workload, *job) if python is None else run_workload(workload, *job, python=python)
            return run, refusals(url)

    # Both at once: each has a sandbox of its own, and neither keeps a processor busy.
    with ThreadPoolExecutor() as pool:
        started = pool.submit(limited, "ours", "async" if way == "async" else "limited", None)
        theirs = limited("official", way, python_of("wriftai-0.34.0"))
        ours = started.result()
    return under_limit(
        f"{count} gets under 3 a second, {way}" + (", 16 at once" if workers > 1 else ""),
        (count - BURST) / RATE,
        ours,
        NEWEST,
        theirs,
    )


def limited_sandbox() -> AbstractContextManager[tuple[str, Path]]:
    """A sandbox with the service's limit."""
    return sandbox("--rate-limit", str(RATE), "--burst", str(BURST))


def seconds_of(runs: list[Run]) -> list[float]:
    """What some runs took."""
    return [run["seconds"] for run in runs]
