"""Pruning beside the official client: deletes with and without latency, under a limit, and what it takes of memory.

``python benchmarks/prune.py [--quick]``
"""

from __future__ import annotations

import argparse
import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
from measure import NAME, OWNER, TOKEN, Figure, in_turn, judged, official_client, refusals, report, run_script, sandbox

RATE, BURST, LIMITED = 30.0, 10, 300
LATENCY = 0.02
MANY = 10_000
PAGE = 50


def main() -> None:
    """Measure everything, and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer and shorter runs")
    quick = parser.parse_args().quick
    count = 500 if quick else 2000
    figures = [
        with_latency(1 if quick else 2, count),
        *without_latency(1 if quick else 2, count),
        under_limit(1 if quick else 3),
        memory(1 if quick else 3),
    ]
    report("prune", figures)


@contextmanager
def versions(count: int, *options: str, latency: float = 0.0) -> Iterator[str]:
    """A sandbox whose model has some versions."""
    limits = options or ("--rate-limit", "0")
    with sandbox("--delete-with-body", *limits, versions=count) as (url, _):
        if latency:
            slow = {"delay": latency, "times": 10 * count, "ends_at_hangup": False}
            httpx.post(f"{url}/faults", json=slow).raise_for_status()
        yield url


def ours(url: str) -> Mapping[str, float]:
    """Prune with our rule."""
    return run_script("ours_prune.py", f"{url}/v1", TOKEN, OWNER, NAME, "wet")


def official(way: str, url: str) -> Mapping[str, float]:
    """Prune with the official client."""
    return run_script("official_prune.py", way, f"{url}/v1", TOKEN, OWNER, NAME, python=official_client("0.34.0"))


def compared(times: int, count: int, way: str, latency: float) -> tuple[list[float], list[float]]:
    """Let both delete, in turn, and see that both did."""

    def mine() -> Mapping[str, float]:
        with versions(count, latency=latency) as url:
            run = ours(url)
        assert run["deleted"] == count - 1, run
        return run

    def theirs() -> Mapping[str, float]:
        with versions(count, latency=latency) as url:
            run = official(way, url)
        assert run["deleted"] + run["failed"] == count - 1, run
        return run

    a, b = in_turn(times, mine, theirs)
    return [run["seconds"] for run in a], [run["seconds"] for run in b]


def with_latency(times: int, count: int) -> Figure:
    """Deletes of which each takes 20 ms more."""
    mine, theirs = compared(times, count, "sequential", LATENCY)
    work = f"{count} deletes, 20 ms of latency"
    return judged(Figure(work, "s", mine, "wriftai 0.34.0, sequential", theirs, goal="at most 0.125"), 1 / 8)


def without_latency(times: int, count: int) -> list[Figure]:
    """Deletes that take no time on the way."""
    work = f"{count} deletes, no latency"
    # A gather over thousands takes the official client over a minute: one run of it.
    mine, theirs = compared(1, count, "gather", 0.0)
    gather = judged(Figure(work, "s", mine, "wriftai 0.34.0, gather", theirs, goal="at most 0.33"), 1 / 3)
    mine, theirs = compared(times, count, "sequential", 0.0)
    return [gather, Figure(work, "s", mine, "wriftai 0.34.0, sequential", theirs)]


def under_limit(times: int) -> Figure:
    """300 versions under 30 requests a second and a burst of 10."""
    requests = LIMITED // PAGE + LIMITED - 1
    ideal = (requests - BURST) / RATE
    refused: list[int] = []
    theirs_refused: list[tuple[int, int]] = []
    limit = ("--rate-limit", str(RATE), "--burst", str(BURST))

    def mine() -> Mapping[str, float]:
        with versions(LIMITED, *limit) as url:
            run = ours(url)
            refused.append(refusals(url))
        assert run["deleted"] == LIMITED - 1, run
        return run

    def theirs() -> Mapping[str, float]:
        with versions(LIMITED, *limit) as url:
            run = official("gather", url)
            theirs_refused.append((refusals(url), int(run["failed"])))
        return run

    a, b = in_turn(times, mine, theirs)
    seconds = [run["seconds"] for run in a]
    worst = max(seconds) / ideal
    return Figure(
        f"{LIMITED} versions under 30 a second",
        "s",
        seconds,
        "wriftai 0.34.0, gather",
        [run["seconds"] for run in b],
        goal="within 1.03 of the limit, at most one 429",
        met=worst <= 1.03 and max(refused) <= 1,
        note=f"the limit makes {requests} requests take {ideal:.2f} s; ours at most {worst:.3f} of it, 429s {refused}; "
        f"wriftai 0.34.0: 429s and versions it could not delete {theirs_refused}",
    )


def memory(times: int) -> Figure:
    """What planning takes where each of 10,000 list items carries 2 KB of schemas."""
    taken = []
    for _ in range(times):
        with sandbox("--rate-limit", "0", "--generation", "1", versions=1) as (url, database):
            fill(database)
            run = run_script("ours_prune.py", f"{url}/v1", TOKEN, OWNER, NAME, "dry")
        assert run["planned"] == MANY, run
        taken.append(run["megabytes"])
    return Figure(
        f"planning for {MANY} versions of 2 KB each",
        "MB over idle",
        taken,
        "the goal",
        [60.0] * times,
        goal="below 60 MB",
        met=max(taken) < 60,
    )


def fill(database: Path) -> None:
    """Give the model 10,000 more versions with large schemas, all of them older."""
    schema = {"type": "object", "description": "x" * 900}
    schemas = json.dumps({"prediction": {"input": schema, "output": schema}})
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.executemany(
            "INSERT INTO versions SELECT ?, owner, name, ?, ?, ?, ?, ?, compatibilities, configuration, size "
            "FROM versions WHERE number = 1",
            (
                (f"old-{number}", -number, f"2020-01-01T00:00:00.{number:06}Z", "old", f"sha256:{number:064x}", schemas)
                for number in range(1, MANY + 1)
            ),
        )


if __name__ == "__main__":
    main()
