"""Compare publishing with a bare create of the official client: the cost of publishing exactly once."""

from __future__ import annotations

import httpx

from benchmarks.figures import Figure
from benchmarks.measure import NAME, OWNER, TOKEN, Run, bind_workload, find_python, run_interleaved, sandbox

VERSIONS = 20
LATENCY = 0.1
PEER = "wriftai 0.34.0, a bare create"


def measure(*, quick: bool) -> list[Figure]:
    """Publish new images sequentially to a model that has some versions."""
    return [compare_without_latency(1 if quick else 5, 20 if quick else 100), *compare_with_latency(1 if quick else 3)]


def publish_interleaved(times: int, url: str, count: int) -> list[list[Run]]:
    """Publish with our package and create with the official client, in turn."""
    arguments = (f"{url}/v1", TOKEN, OWNER, NAME, count)
    return run_interleaved(
        times,
        bind_workload("ours_publish", *arguments),
        bind_workload("official_publish", *arguments, python=find_python("wriftai-0.34.0")),
    )


def compare_without_latency(times: int, count: int) -> Figure:
    """Compare the time of one publish without latency."""
    with sandbox("--rate-limit", "0", versions=VERSIONS) as (url, _):
        ours, official = publish_interleaved(times, url, count)
    return Figure(
        "publishing a new image",
        "ms",
        [run["seconds"] / count * 1000 for run in ours],
        PEER,
        [run["seconds"] / count * 1000 for run in official],
        note="ours first checks the image, notes, and schemas, and searches the newest ten versions for the image; "
        "a bare create does neither, so repeating it creates a second version",
    )


def compare_with_latency(times: int) -> list[Figure]:
    """Compare the time and the requests of one publish with 100 ms of latency per request."""
    with sandbox("--rate-limit", "0", versions=VERSIONS) as (url, _):
        slow = {"delay": LATENCY, "times": 10_000, "ends_at_hangup": False}
        httpx.post(f"{url}/faults", json=slow).raise_for_status()
        ours, official = publish_interleaved(times, url, 1)
    seconds = [run["seconds"] for run in ours]
    return [
        Figure(
            "publishing a new image, 100 ms of latency",
            "s",
            seconds,
            PEER,
            [run["seconds"] for run in official],
            goal="at most 4 round trips plus 50 ms",
            met=max(seconds) <= 4 * LATENCY + 0.05,
        ),
        Figure(
            "publishing a new image: requests",
            "requests",
            [run["requests"] for run in ours],
            PEER,
            [1.0] * len(official),
            note="one page of the list, the details of the newest ten versions (concurrently), and the create",
        ),
    ]
