"""The ends of deferred waits, held against when their versions were published."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from scenario import Finding, Kind
from triggerer.plan import Wait

LATEST = 180.0
"""Seconds that a wait may end late: its triggerer may be down then, and another one takes over only some time after."""


@dataclass(frozen=True, slots=True)
class End:
    """How the task of a wait ended.

    Attributes:
        state: Its state.
        began: When its last try started.
        ended: When that ended; None where it has not.
        tries: How many tries there were.
        reference: The version that it returned.
        log: All that it logged.
    """

    state: str | None
    began: datetime | None
    ended: datetime | None
    tries: int
    reference: str | None
    log: str


def judge(wait: Wait, end: End, published: Mapping[str, str]) -> tuple[Finding, ...]:
    """Tell what is wrong with the end of a wait.

    Args:
        wait: The wait.
        end: How it ended.
        published: The reference of the version of each wait that has one.
    """
    told = f"{wait.task} ended {end.state} with {end.reference}"
    expected = published.get(wait.task)
    if expected is not None:
        good = end.state == "success" and end.reference == expected
        return () if good else (Finding(Kind.LOST, f"{told}; {expected} was there. {end.log[-500:]}"),)
    state = "skipped" if wait.soft_fail else "failed"
    if end.state != state or "was not there in time" not in end.log:
        return (Finding(Kind.LOST, f"{told}; expected a timeout. {end.log[-500:]}"),)
    late = lateness(wait, end)
    if late < 0:
        return (Finding(Kind.LOST, f"{told} {-late:.1f} s before its deadline"),)
    if late > LATEST:
        return (Finding(Kind.LOST, f"{told} {late:.0f} s after its deadline"),)
    return ()


def lateness(wait: Wait, end: End) -> float:
    """Tell how many seconds after its deadline a wait ended."""
    assert end.began is not None
    assert end.ended is not None
    return (end.ended - end.began).total_seconds() - wait.timeout


def parameters(wait: Wait) -> dict[str, Any]:
    """Write a wait as the arguments of the sensor."""
    criterion = {"release_notes": f"^{wait.notes}$"} if wait.criterion == "notes" else {"image": wait.digest}
    return {
        "task_id": wait.task,
        "model": wait.model,
        "newer_than": "start" if wait.is_from_start else 0,
        "timeout": wait.timeout,
        "soft_fail": wait.soft_fail,
        "retries": 3,
        **criterion,
    }
