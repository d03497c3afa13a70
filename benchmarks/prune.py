"""Compare pruning with deletes by the official client: speed, rate limiting, and memory."""

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
from benchmarks.measure import (
    NAME,
    OWNER,
    TOKEN,
    Run,
    compare_under_limit,
    count_refusals,
    find_python,
    run_interleaved,
    run_workload,
    sandbox,
)

RATE, BURST, LIMITED = 30.0, 10, 300
LATENCY = 0.02
MANY = 10_000
PAGE = 50


def measure(*, quick: bool) -> list[Figure]:
    """Run all comparisons."""
    times, count = (1, 300) if quick else (2, 2000)
    figures = [
        compare_with_latency(1, count // 2),
        *compare_without_latency(times, count),
        compare_limited(90 if quick else LIMITED),
        measure_report(MANY if quick else 10 * MANY),
    ]
    return figures if quick else [*figures, measure_memory(1)]


@contextmanager
def sandbox_with_versions(count: int, *options: str, latency: float = 0.0) -> Iterator[str]:
    """Run a sandbox whose model has some versions; yield its URL."""
    limit = options or ("--rate-limit", "0")
    with sandbox("--delete-with-body", *limit, versions=count) as (url, _):
        if latency:
            slow = {"delay": latency, "times": 10 * count, "ends_at_hangup": False}
            httpx.post(f"{url}/faults", json=slow).raise_for_status()
        yield url


def prune(url: str) -> Run:
    """Prune all versions but the newest with our package."""
    return run_workload("ours_prune", f"{url}/v1", TOKEN, OWNER, NAME, "run")


def prune_officially(mode: str, url: str) -> Run:
    """Delete all versions but the newest with the official client."""
    return run_workload("official_prune", mode, f"{url}/v1", TOKEN, OWNER, NAME, python=find_python("wriftai-0.34.0"))


def compare(times: int, count: int, mode: str, latency: float, work: str) -> Figure:
    """Compare the time of deletes, and assert that both clients sent all of them."""

    def run_ours() -> Run:
        with sandbox_with_versions(count, latency=latency) as url:
            run = prune(url)
        assert run["deleted"] == count - 1, run
        return run

    def run_official() -> Run:
        with sandbox_with_versions(count, latency=latency) as url:
            run = prune_officially(mode, url)
        assert run["deleted"] + run["failed"] == count - 1, run
        return run

    ours, official = run_interleaved(times, run_ours, run_official)
    return Figure(
        f"{count:,} deletes, {work}",
        "s",
        [run["seconds"] for run in ours],
        f"wriftai 0.34.0, {mode}",
        [run["seconds"] for run in official],
    )


def compare_with_latency(times: int, count: int) -> Figure:
    """Compare deletes with 20 ms of latency each."""
    return compare(times, count, "sequential", LATENCY, "20 ms of latency").with_peer_goal(1 / 8)


def compare_without_latency(times: int, count: int) -> list[Figure]:
    """Compare deletes without latency."""
    # The time of a gather grows with the square of the number of deletes, hence fewer deletes and one run.
    return [
        compare(1, count // 4, "gather", 0.0, "no latency").with_peer_goal(1 / 3),
        compare(times, count, "sequential", 0.0, "no latency"),
    ]


def compare_limited(count: int) -> Figure:
    """Compare deletes under a limit of 30 requests per second with a burst of 10."""
    limit = ("--rate-limit", str(RATE), "--burst", str(BURST))
    with sandbox_with_versions(count, *limit) as url:
        mine = prune(url), count_refusals(url)
    assert mine[0]["deleted"] == count - 1, mine
    with sandbox_with_versions(count, *limit) as url:
        theirs = prune_officially("gather", url), count_refusals(url)
    pages = math.ceil(count / PAGE)
    return compare_under_limit(
        f"pruning {count} versions at 30 requests per second",
        (pages + count - 1 - BURST) / RATE,
        mine,
        "wriftai 0.34.0, gather",
        theirs,
    )


def measure_report(count: int) -> Figure:
    """Measure the size of the report that a prune returns to XCom if it keeps all but ten versions."""
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
        f"size of the prune report for {count:,} versions",
        "KB",
        [len(json.dumps(record.report())) / 1000],
        "a list of all kept versions",
        [len(json.dumps(whole)) / 1000],
        goal="below 48 KB, which every XCom backend takes",
        met=len(json.dumps(record.report())) < 48_000,
    )


def measure_memory(times: int) -> Figure:
    """Measure the memory of planning if each of 10,000 list items has 2 KB of schemas."""
    megabytes = []
    for _ in range(times):
        with sandbox("--rate-limit", "0", "--client-version", "0.13.0", versions=1) as (url, database):
            add_large_versions(database)
            run = run_workload("ours_prune", f"{url}/v1", TOKEN, OWNER, NAME, "dry")
        assert run["planned"] == MANY, run
        megabytes.append(run["megabytes"])
    return Figure(
        f"memory for planning with {MANY:,} versions of 2 KB each",
        "MB",
        megabytes,
        goal="below 60 MB",
        met=max(megabytes) < 60,
    )


def add_large_versions(database: Path) -> None:
    """Add 10,000 older versions with large schemas to the model."""
    schema = {"type": "object", "description": "x" * 900}
    schemas = json.dumps({"prediction": {"input": schema, "output": schema}})
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.executemany(
            "INSERT INTO versions SELECT ?, owner, name, ?, ?, ?, ?, ?, compatibilities, configuration, size "
            "FROM versions WHERE owner = ? AND name = ? AND number = 1",
            (
                (
                    *(f"old-{number}", -number, f"2020-01-01T00:00:00.{number:06}Z", "old", f"sha256:{number:064x}"),
                    *(schemas, OWNER, NAME),
                )
                for number in range(1, MANY + 1)
            ),
        )
