"""Compare the client with the official ones and plain httpx: time per request, concurrency, and the rate limit."""

from __future__ import annotations

import threading
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

RATE, BURST, LIMITED = 3.0, 5, 60
IDEAL = (LIMITED - BURST) / RATE
NEWEST, OLDEST = "wriftai 0.34.0", "wriftai 0.13.0"


def measured(*, quick: bool) -> list[Figure]:
    """Measure everything."""
    times, count = (1, 300) if quick else (5, 2000)
    figures = [
        *construction(times),
        *one_after_the_other(times, count),
        *at_once(times, count),
        under_limit_by("sync", 16 if quick else LIMITED),
    ]
    if not quick:
        figures += [under_limit_by("async", LIMITED), two_processes()]
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
        official = python_of("wriftai-0.34.0")
        ours = work("ours", *job, 16)
        # A gather over thousands takes the official client over a minute: fewer runs of it.
        pairs = {
            f"{NEWEST}, 16 at once": in_turn(times, ours, work("official", *job, 16, python=official)),
            f"{NEWEST}, gather": in_turn(1, ours, work("official", *job, 0, python=official)),
        }
    name = f"{count:,} gets, 16 at once"
    return [
        Figure(name, "s", seconds_of(mine), peer, seconds_of(theirs), goal="at most 0.33").judged(1 / 3)
        for peer, (mine, theirs) in pairs.items()
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

    ours = limited("ours", "async" if way == "async" else "limited", None)
    theirs = limited("official", way, python_of("wriftai-0.34.0"))
    return under_limit(
        f"{count} gets under 3 a second, {way}" + (", 16 at once" if workers > 1 else ""),
        (count - BURST) / RATE,
        ours,
        NEWEST,
        theirs,
    )


def two_processes() -> Figure:
    """Two processes that share a token: 30 gets each."""
    with limited_sandbox() as (url, _):
        job = ("async", f"{url}/v1", TOKEN, OWNER, NAME, LIMITED // 2, 16)
        taken: list[float] = []
        threads = [
            threading.Thread(target=lambda: taken.append(run_workload("ours", *job)["seconds"])) for _ in range(2)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        refused = refusals(url)
    assert len(taken) == 2, "a process failed"
    return Figure(
        f"two processes, {LIMITED // 2} gets each, one token",
        "s",
        [max(taken)],
        limit="what the limit allows",
        limits=[IDEAL],
        goal="at most 1.15 of the limit",
        met=max(taken) / IDEAL <= 1.15,
        note=f"429s {refused}",
    )


def limited_sandbox() -> AbstractContextManager[tuple[str, Path]]:
    """A sandbox with the service's limit."""
    return sandbox("--rate-limit", str(RATE), "--burst", str(BURST))


def seconds_of(runs: list[Run]) -> list[float]:
    """What some runs took."""
    return [run["seconds"] for run in runs]
