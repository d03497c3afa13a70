"""Compare publishing with the official client's bare create: the cost of publishing exactly once."""

from __future__ import annotations

import httpx

from benchmarks.figures import Figure
from benchmarks.measure import NAME, OWNER, TOKEN, Run, in_turn, python_of, sandbox, work

VERSIONS = 20
LATENCY = 0.1
PEER = "wriftai 0.34.0, a bare create"


def measured(*, quick: bool) -> list[Figure]:
    """Publish new images, one after the other, to a model that has some versions."""
    return [without_latency(1 if quick else 5, 20 if quick else 100), *with_latency(1 if quick else 3)]


def published(times: int, url: str, count: int) -> list[list[Run]]:
    """Publish with our rule, and create with the official client."""
    job = (f"{url}/v1", TOKEN, OWNER, NAME, count)
    return in_turn(
        times, work("ours_publish", *job), work("official_publish", *job, python=python_of("wriftai-0.34.0"))
    )


def without_latency(times: int, count: int) -> Figure:
    """Measure what publishing costs this machine."""
    with sandbox("--rate-limit", "0", versions=VERSIONS) as (url, _):
        ours, official = published(times, url, count)
    return Figure(
        "publishing a new image",
        "ms",
        [run["seconds"] / count * 1000 for run in ours],
        PEER,
        [run["seconds"] / count * 1000 for run in official],
        note="ours first checks image, notes, and schemas, and searches the newest ten versions for the image; a bare "
        "create makes a second version of it",
    )


def with_latency(times: int) -> list[Figure]:
    """Measure the requests and the time of a single publish where each response takes 100 ms."""
    with sandbox("--rate-limit", "0", versions=VERSIONS) as (url, _):
        slow = {"delay": LATENCY, "times": 10_000, "ends_at_hangup": False}
        httpx.post(f"{url}/faults", json=slow).raise_for_status()
        ours, official = published(times, url, 1)
    seconds = [run["seconds"] for run in ours]
    return [
        Figure(
            "publishing a new image, 100 ms of latency",
            "s",
            seconds,
            PEER,
            [run["seconds"] for run in official],
            goal="at most 4 round trips, and 50 ms of our own",
            met=max(seconds) <= 4 * LATENCY + 0.05,
        ),
        Figure(
            "publishing a new image: requests",
            "requests",
            [run["requests"] for run in ours],
            PEER,
            [1.0] * len(official),
            note="one page of the list, the details of the newest ten versions at once, and the create",
        ),
    ]
