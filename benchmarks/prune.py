"""Compare pruning with the official client: deletes with and without latency, under a rate limit, and memory."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx

from airflow_provider_wriftai.client.references import ModelReference, VersionNumber
from airflow_provider_wriftai.client.version import VersionRecord
from airflow_provider_wriftai.domain.retention.policy import RetentionPolicy, plan
from airflow_provider_wriftai.domain.retention.record import PruneRecord
from benchmarks.figures import Figure
from benchmarks.measure import NAME, OWNER, TOKEN, Run, in_turn, python_of, refusals, run_workload, sandbox
from benchmarks.measure import under_limit as figure_under_limit

RATE, BURST, LIMITED = 30.0, 10, 300
LATENCY = 0.02
MANY = 10_000
PAGE = 50


def measured(*, quick: bool) -> list[Figure]:
    """Measure everything."""
    times, count = (1, 300) if quick else (2, 2000)
    figures = [with_latency(1, count // 2), *without_latency(times, count), under_limit(90 if quick else LIMITED)]
    return [*figures, report_size(MANY if quick else 10 * MANY), *([] if quick else [memory(1)])]


@contextmanager
def versions(count: int, *options: str, latency: float = 0.0) -> Iterator[str]:
    """A sandbox whose model has some versions."""
    limits = options or ("--rate-limit", "0")
    with sandbox("--delete-with-body", *limits, versions=count) as (url, _):
        if latency:
            slow = {"delay": latency, "times": 10 * count, "ends_at_hangup": False}
            httpx.post(f"{url}/faults", json=slow).raise_for_status()
        yield url


def ours(url: str) -> Run:
    """Prune with our rule."""
    return run_workload("ours_prune", f"{url}/v1", TOKEN, OWNER, NAME, "wet")


def official(way: str, url: str) -> Run:
    """Prune with the official client."""
    return run_workload("official_prune", way, f"{url}/v1", TOKEN, OWNER, NAME, python=python_of("wriftai-0.34.0"))


def compared(times: int, count: int, way: str, latency: float) -> tuple[list[float], list[float]]:
    """Let both delete, in turn, and see that both did."""

    def mine() -> Run:
        with versions(count, latency=latency) as url:
            run = ours(url)
        assert run["deleted"] == count - 1, run
        return run

    def theirs() -> Run:
        with versions(count, latency=latency) as url:
            run = official(way, url)
        assert run["deleted"] + run["failed"] == count - 1, run
        return run

    a, b = in_turn(times, mine, theirs)
    return [run["seconds"] for run in a], [run["seconds"] for run in b]


def with_latency(times: int, count: int) -> Figure:
    """Deletes of which each takes 20 ms more."""
    mine, theirs = compared(times, count, "sequential", LATENCY)
    work = f"{count:,} deletes, 20 ms of latency"
    return Figure(work, "s", mine, "wriftai 0.34.0, sequential", theirs, goal="at most 0.125").judged(1 / 8)


def without_latency(times: int, count: int) -> list[Figure]:
    """Deletes that take no time on the way."""
    # A gather takes the official client a time that grows with the square of the number: fewer deletes, and one run.
    few = count // 4
    mine, theirs = compared(1, few, "gather", 0.0)
    name = f"{few:,} deletes, no latency"
    gather = Figure(name, "s", mine, "wriftai 0.34.0, gather", theirs, goal="at most 0.33").judged(1 / 3)
    mine, theirs = compared(times, count, "sequential", 0.0)
    return [gather, Figure(f"{count:,} deletes, no latency", "s", mine, "wriftai 0.34.0, sequential", theirs)]


def under_limit(count: int) -> Figure:
    """Versions under 30 requests a second and a burst of 10."""
    limit = ("--rate-limit", str(RATE), "--burst", str(BURST))
    with versions(count, *limit) as url:
        mine = ours(url), refusals(url)
    assert mine[0]["deleted"] == count - 1, mine
    with versions(count, *limit) as url:
        theirs = official("gather", url), refusals(url)
    pages = math.ceil(count / PAGE)
    return figure_under_limit(
        f"{count} versions under 30 requests a second",
        (pages + count - 1 - BURST) / RATE,
        mine,
        "wriftai 0.34.0, gather",
        theirs,
    )


def report_size(count: int) -> Figure:
    """Measure what a prune returns to XCom where it keeps all but ten versions."""
    newest = datetime(2026, 1, 1, tzinfo=UTC)
    model = ModelReference(OWNER, NAME)
    versions = [
        VersionRecord(VersionNumber(model, number), newest - timedelta(minutes=count - number), "Release notes", "")
        for number in range(1, count + 1)
    ]
    record = PruneRecord()
    record.begin(model, plan(versions, RetentionPolicy(keep_last=count - 10), newest), dry_run=False, unmatched=())
    assert record.plan is not None
    whole = [{"reference": str(kept.version.reference), "reason": kept.reason} for kept in record.plan.kept]
    return Figure(
        f"report of a prune among {count:,} versions",
        "KB",
        [len(json.dumps(record.report())) / 1000],
        "a list of all kept versions",
        [len(json.dumps(whole)) / 1000],
        goal="below 48 KB, which every XCom backend takes",
        met=len(json.dumps(record.report())) < 48_000,
    )


def memory(times: int) -> Figure:
    """What planning takes where each of 10,000 list items carries 2 KB of schemas."""
    taken = []
    for _ in range(times):
        with sandbox("--rate-limit", "0", "--client-version", "0.13.0", versions=1) as (url, database):
            fill(database)
            run = run_workload("ours_prune", f"{url}/v1", TOKEN, OWNER, NAME, "dry")
        assert run["planned"] == MANY, run
        taken.append(run["megabytes"])
    return Figure(
        f"planning for {MANY:,} versions of 2 KB each",
        "MB over idle",
        taken,
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
