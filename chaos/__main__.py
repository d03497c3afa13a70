"""Run the reliability campaign: check whether faults lose, duplicate, or wrongly delete anything."""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from chaos.report import format_problems, format_table, rows_of
from chaos.scenario import Kind, Outcome, Scenario, Setting
from chaos.scenarios import airflow, answered_waits, publish_explored, reservations, tasks

SCENARIOS: tuple[Scenario, ...] = (
    publish_explored.SCENARIO,
    *tasks.SCENARIOS,
    reservations.SCENARIO,
    answered_waits.SCENARIO,
    airflow.SCENARIO,
)

_PROGRESS_EVERY = 10.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the campaign; return 1 if it found a problem or ran no scenario, else 0."""
    options = _parse(SCENARIOS, arguments)
    # Exit on SIGTERM, so that all started processes are stopped, too.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    # Set this before any process imports Airflow, which reads it only once.
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        os.environ["AIRFLOW_HOME"] = str(Path(folder) / "airflow-home")
        os.environ["PYTHONWARNINGS"] = "ignore"
        began = time.monotonic()
        rows: list[dict[str, Any]] = []
        skipped: list[dict[str, str]] = []
        for scenario, runs in _select_scenarios(SCENARIOS, options):
            reason = "only the full campaign includes it" if runs == 0 else scenario.find_skip_reason()
            if reason is not None:
                skipped.append({"name": scenario.name, "reason": reason})
                print(f"Skipped {scenario.name}: {reason}", flush=True)
                continue
            with tempfile.TemporaryDirectory(dir=folder) as scratch:
                rows += _run(scenario, options.seed, runs, Path(scratch))
        seconds = time.monotonic() - began
    problems = format_problems(rows)
    totals = ", ".join(f"{kind}: {sum(row[str(kind)] or 0 for row in rows)}" for kind in Kind)
    print("\n".join(["", format_table(rows), "", *problems, f"{totals}; seed {options.seed}, {seconds:.0f} s"]))
    if options.json:
        result = {
            "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
            "seed": options.seed,
            "quick": options.quick,
            "seconds": round(seconds),
            "machine": _machine(),
            "rows": rows,
            "left_out": skipped,
        }
        options.json.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n")
    return 1 if problems or not rows else 0


def _parse(known: Sequence[Scenario], arguments: Sequence[str] | None) -> argparse.Namespace:
    names = ", ".join(scenario.name for scenario in known)
    parser = argparse.ArgumentParser(prog="python -m chaos", description=__doc__)
    parser.add_argument(
        "--seed", type=int, default=1, help="the seed of each scenario's first run (default: %(default)s)"
    )
    parser.add_argument("--quick", action="store_true", help="make fewer runs; skip scenarios with a complete Airflow")
    parser.add_argument(
        "--only", nargs="+", type=_parse_selection, metavar="NAME[=RUNS]", help=f"the scenarios to run: {names}"
    )
    parser.add_argument("--json", type=Path, help="the file for the result")
    options = parser.parse_args(arguments)
    unknown = {name for name, _ in options.only or []} - {scenario.name for scenario in known}
    if unknown:
        parser.error(f"unknown scenario: {', '.join(sorted(unknown))} (choose from {names})")
    return options


def _parse_selection(text: str) -> tuple[str, int | None]:
    name, separator, runs = text.partition("=")
    if separator and not (runs.isdecimal() and int(runs) > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME or NAME=RUNS")
    return name, int(runs) if separator else None


def _select_scenarios(known: Sequence[Scenario], options: argparse.Namespace) -> Iterator[tuple[Scenario, int]]:
    only: dict[str, int | None] = dict(options.only or [(scenario.name, None) for scenario in known])
    for scenario in known:
        if scenario.name in only:
            runs = only[scenario.name]
            yield scenario, (scenario.quick_runs if options.quick else scenario.runs) if runs is None else runs


def _run(scenario: Scenario, seed: int, runs: int, folder: Path) -> list[dict[str, Any]]:
    print(f"{scenario.name}: {runs} runs, from seed {seed}", flush=True)
    began = logged_at = time.monotonic()

    def log(text: str) -> None:
        print(f"  {scenario.name}, {time.monotonic() - began:.0f} s: {text}", flush=True)

    outcomes: list[Outcome] = []
    for outcome in scenario.run(Setting(seed, runs, folder, log)):
        outcomes.append(outcome)
        if time.monotonic() - logged_at >= _PROGRESS_EVERY:
            logged_at = time.monotonic()
            log(f"{len(outcomes)} of {runs}")
    log("done")
    return [{**row, "seconds": round(time.monotonic() - began)} for row in rows_of(scenario, outcomes)]


def _machine() -> dict[str, Any]:
    return {
        "processors": os.cpu_count(),
        "python": platform.python_version(),
        "airflow": version("apache-airflow"),
        "system": f"{platform.system()} {platform.machine()}",
    }


if __name__ == "__main__":
    sys.exit(main())
