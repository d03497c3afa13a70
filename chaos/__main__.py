"""Run the campaign: what is lost, duplicated, or wrongly deleted when things go wrong?"""

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
    """Run the campaign; returns 1 if anything is wrong, or if no fault was injected, else 0."""
    options = _parse(SCENARIOS, arguments)
    # Processes that were started are ended also when the campaign is.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    # Before anything imports Airflow, in any process: it reads its home once.
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        os.environ["AIRFLOW_HOME"] = str(Path(folder) / "airflow-home")
        os.environ["PYTHONWARNINGS"] = "ignore"
        began = time.monotonic()
        rows: list[dict[str, Any]] = []
        left_out: list[dict[str, str]] = []
        for scenario, runs in _chosen(SCENARIOS, options):
            reason = "it is left to the full campaign" if runs == 0 else scenario.missing()
            if reason is not None:
                left_out.append({"name": scenario.name, "reason": reason})
                print(f"{scenario.name} is left out: {reason}", flush=True)
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
            "left_out": left_out,
        }
        options.json.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n")
    return 1 if problems or not rows else 0


def _parse(known: Sequence[Scenario], arguments: Sequence[str] | None) -> argparse.Namespace:
    names = ", ".join(scenario.name for scenario in known)
    parser = argparse.ArgumentParser(prog="python -m chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="of the first run of each scenario (default: %(default)s)")
    parser.add_argument("--quick", action="store_true", help="fewer runs, and none that needs a whole Airflow")
    parser.add_argument(
        "--only", nargs="+", type=_named, metavar="NAME[=RUNS]", help=f"only these, and how often. There are: {names}"
    )
    parser.add_argument("--json", type=Path, help="where to write the result")
    options = parser.parse_args(arguments)
    unknown = {name for name, _ in options.only or []} - {scenario.name for scenario in known}
    if unknown:
        parser.error(f"there is no {', '.join(sorted(unknown))}; there are: {names}")
    return options


def _named(text: str) -> tuple[str, int | None]:
    name, given, runs = text.partition("=")
    if given and not (runs.isdecimal() and int(runs) > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME or NAME=RUNS")
    return name, int(runs) if given else None


def _chosen(known: Sequence[Scenario], options: argparse.Namespace) -> Iterator[tuple[Scenario, int]]:
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
