"""Compare publishing with the official client's bare create: the cost of publishing exactly once."""

from __future__ import annotations

from benchmarks.figures import Figure
from benchmarks.measure import NAME, OWNER, TOKEN, in_turn, python_of, sandbox, work

VERSIONS = 20


def measured(*, quick: bool) -> list[Figure]:
    """Publish new images, one after the other, to a model that has some versions."""
    count = 20 if quick else 100
    with sandbox("--rate-limit", "0", versions=VERSIONS) as (url, _):
        job = (f"{url}/v1", TOKEN, OWNER, NAME, count)
        times = 1 if quick else 5
        ours, official = in_turn(
            times,
            work("ours_publish", *job),
            work("official_publish", *job, python=python_of("wriftai-0.34.0")),
        )
    return [
        Figure(
            "publishing a new image",
            "ms",
            [run["seconds"] / count * 1000 for run in ours],
            "wriftai 0.34.0, a bare create",
            [run["seconds"] / count * 1000 for run in official],
            note="ours first checks image, notes, and schemas, and searches the newest ten versions for the "
            "image; a bare create makes a second version of it",
        )
    ]
