"""Check that each version of a watched model has one event, or a second one if the first was not confirmed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from chaos.scenario import Finding, Kind


def check_events(
    published: Sequence[str], delivered: Sequence[str], unconfirmed: Sequence[frozenset[str]]
) -> tuple[Finding, ...]:
    """Check the events of a model.

    Args:
        published: The published versions.
        delivered: The version of each event.
        unconfirmed: For each interruption of a triggerer, the versions whose event the checkpoint did not cover yet.
            Each of these may be delivered once more.
    """
    times = Counter(delivered)
    findings = [Finding(Kind.LOST, f"{each} has no event") for each in published if not times[each]]
    findings += [
        Finding(Kind.OTHER, f"{each} has an event but was never published") for each in set(times) - {*published}
    ]
    for reference, number in times.items():
        if number - 1 > sum(reference in each for each in unconfirmed):
            findings.append(Finding(Kind.DUPLICATED, f"{reference} has {number} events"))
    return tuple(findings)
