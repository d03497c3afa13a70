"""Explore publishing: ``python -m chaos.explorer [--quick] [--only TEXT]``. Ends with an error if anything is wrong."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor

from .explore import Case, Exploration, full_cases, quick_cases
from .mutants import MUTANTS, mutated

_MOST_SHOWN = 5


def explore_case(case: Case) -> Exploration:
    """Explore one case, without the logs of the code."""
    logging.disable(logging.CRITICAL)
    return case.explore()


def find_mutant(name: str) -> str | None:
    """Return what shows that the code was broken; None if nothing does."""
    logging.disable(logging.CRITICAL)
    with mutated(name):
        for depth in (1, 2):
            for case in quick_cases():
                found = Case(case.configuration, depth).explore(stop_at_first=True)
                if found.violations:
                    schedule, problem = found.violations[0]
                    steps = ", ".join(f"{fault} at step {at}" for at, fault in schedule)
                    return f"{case.configuration}: {steps}: {problem}"
    return None


def main() -> int:
    """Explore, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="single faults only")
    parser.add_argument("--only", default="", help="only cases whose description contains this text")
    options = parser.parse_args()
    cases = [case for case in (quick_cases() if options.quick else full_cases()) if options.only in str(case)]
    began = time.monotonic()
    schedules = violations = 0
    with ProcessPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        for case, found in zip(cases, pool.map(explore_case, cases), strict=True):
            schedules += found.schedules
            violations += len(found.violations)
            print(f"{case}: {found.schedules} schedules, {len(found.violations)} violations", flush=True)
            for schedule, problem in found.violations[:_MOST_SHOWN]:
                print(f"  {schedule}: {problem}")
        missed = 0
        for name, shown in zip(MUTANTS, pool.map(find_mutant, MUTANTS), strict=True):
            missed += shown is None
            print(f"mutant {name!r}: {shown or 'NOT FOUND'}")
    print(
        f"{schedules} schedules, {violations} violations, {len(MUTANTS) - missed} of {len(MUTANTS)} mutants found, "
        f"{time.monotonic() - began:.0f} s"
    )
    return 1 if violations or missed else 0


if __name__ == "__main__":
    sys.exit(main())
