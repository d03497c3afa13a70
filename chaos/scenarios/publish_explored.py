"""Publish under every schedule of a few faults, in virtual time, against a model of the service."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

from chaos.explorer.explore import Case, Exploration, full_cases, quick_cases
from chaos.scenario import Finding, Kind, Outcome, Row, Scenario, Setting

_ROW = Row(
    "publish_explored", "publish under every schedule of faults", "schedules", frozenset({Kind.LOST, Kind.DUPLICATED})
)
_PROCESSES = 2


def _explore(case: Case) -> Exploration:
    logging.disable(logging.CRITICAL)
    return case.explore()


def _run(setting: Setting) -> Iterator[Outcome]:
    full = full_cases()
    cases = full if setting.runs >= len(full) else list(quick_cases())[: setting.runs]
    with ProcessPoolExecutor(_PROCESSES) as pool:
        for case, found in zip(cases, pool.map(_explore, cases), strict=True):
            yield _outcome(setting.seed, case, found)


def _outcome(seed: int, case: Case, found: Exploration) -> Outcome:
    findings = tuple(
        Finding(Kind.DUPLICATED if "duplicated" in problem else Kind.LOST, f"{case}, {schedule}: {problem}")
        for schedule, problem in found.violations
    )
    return Outcome(seed, found.faults, runs=found.schedules, findings=findings)


SCENARIO = Scenario("publish_explored", (_ROW,), runs=len(full_cases()), quick_runs=len(quick_cases()), run=_run)
