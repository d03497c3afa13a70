"""Publish under every schedule of up to a few faults, in virtual time."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import islice

from explorer.__main__ import explore_case
from explorer.explore import Case, Exploration, full_cases, quick_cases
from scenario import Finding, Kind, Outcome, Row, Scenario, Setting

_COUNTS = frozenset({Kind.LOST, Kind.DUPLICATED})
_ROW = Row("publish-faults", "publish under every schedule of faults", "schedules", _COUNTS)
_PROCESSES = 2


def _carry_out(setting: Setting) -> Iterator[Outcome]:
    full = full_cases()
    # Nothing is drawn at random: the runs are cases, all of them in a full campaign.
    cases = full if setting.runs >= len(full) else list(islice(quick_cases(), setting.runs))
    with ProcessPoolExecutor(_PROCESSES) as pool:
        for case, found in zip(cases, pool.map(explore_case, cases), strict=True):
            yield _outcome(setting.seed, case, found)


def _outcome(seed: int, case: Case, found: Exploration) -> Outcome:
    findings = tuple(
        Finding(Kind.DUPLICATED if "duplicated" in problem else Kind.LOST, f"{case}, {schedule}: {problem}")
        for schedule, problem in found.violations
    )
    return Outcome(seed, found.faults, runs=found.schedules, findings=findings)


SCENARIO = Scenario(
    "publish-faults", (_ROW,), runs=len(full_cases()), quick_runs=len(quick_cases()), carry_out=_carry_out
)
