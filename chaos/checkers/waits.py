"""Check that a wait finds its version if it appears in time, and otherwise ends at its deadline."""

from __future__ import annotations

from dataclasses import dataclass

from chaos.scenario import Finding, Kind

TIMED_OUT = "did not appear in time"
"""A part of the error with which a wait ends at its deadline."""


@dataclass(frozen=True, slots=True)
class WaitEnd:
    """How a wait ended.

    Attributes:
        reference: The version that the wait returned, if any.
        log: The log of the task.
        late: Seconds from the deadline to the end; negative before the deadline.
        expected: The version that was published for the wait, if any.
    """

    name: str
    reference: str | None
    log: str
    late: float
    expected: str | None


def check_wait(end: WaitEnd, latest: float) -> tuple[Finding, ...]:
    """Check the end of a wait, which may be at most ``latest`` seconds after its deadline."""
    if end.expected is not None:
        evidence = f"{end.name} returned {end.reference} instead of {end.expected}: {end.log[-600:]}"
        return () if end.reference == end.expected else (Finding(Kind.LOST, evidence),)
    if end.reference is not None or TIMED_OUT not in end.log:
        evidence = f"{end.name} returned {end.reference} instead of a timeout: {end.log[-600:]}"
        return (Finding(Kind.LOST, evidence),)
    if not 0 <= end.late <= latest:
        return (Finding(Kind.LOST, f"{end.name} ended {end.late:.1f} s after its deadline"),)
    return ()
