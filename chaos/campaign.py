"""Everything that can go wrong, at random, many times: what is lost, made twice, or wrongly deleted?

``python chaos/campaign.py [--seed S] [--quick] [--only NAME[=RUNS] …] [--without-peers] [--json FILE]``
"""

from __future__ import annotations

import argparse
import datetime
import importlib
import json
import os
import platform
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from progress import Progress
from scenario import Kind, Scenario, Setting
from table import for_terminal
from tally import Tally

SCENARIOS = (
    "publish_faults",
    "publish_killed",
    "prune_faults",
    "prune_killed",
    "triggerer_killed",
    "service_killed",
    "disk_full",
    "token_revoked",
    "clock_jumps",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the campaign.

    Args:
        arguments: The command line without the program; None for this process's own.

    Returns:
        1 where anything was lost, made twice, wrongly deleted or broken otherwise, or where nothing went wrong at all,
        so that nothing was shown; else 0.
    """
    known = [_scenario(name) for name in SCENARIOS]
    options = _options(known, arguments)
    # What was started is ended, and what was mounted unmounted, also where somebody ends the campaign.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    # Before anything imports Airflow, in whatever process: it reads its home once.
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        os.environ["AIRFLOW_HOME"] = str(Path(folder) / "airflow-home")
        os.environ["PYTHONWARNINGS"] = "ignore"
        began = time.monotonic()
        rows: list[dict[str, Any]] = []
        left_out: list[dict[str, str]] = []
        for scenario, runs in _chosen(known, options):
            why = "it is left to the full campaign" if runs == 0 else scenario.missing()
            if why is not None:
                left_out.append({"name": scenario.name, "why": why})
                print(f"{scenario.name} is left out: {why}", flush=True)
                continue
            with tempfile.TemporaryDirectory(dir=folder) as scratch:
                progress = Progress(scenario.name, _expected(scenario, runs, with_peers=not options.without_peers))
                setting = Setting(options.seed, runs, not options.without_peers, Path(scratch), progress.say)
                rows += _carried_out(scenario, setting, progress)
        seconds = time.monotonic() - began
    print(f"\n{for_terminal(rows)}\n")
    wrong = _tell(rows, left_out, options.seed, seconds)
    if options.json:
        written = {
            "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
            "seed": options.seed,
            "quick": options.quick,
            "seconds": round(seconds),
            "machine": _machine(),
            "rows": rows,
            "left_out": left_out,
        }
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(written, indent=2, ensure_ascii=False) + "\n")
    return 1 if wrong else 0


def _scenario(name: str) -> Scenario:
    scenario: Scenario = importlib.import_module(f"scenarios.{name}").SCENARIO
    return scenario


def _options(known: Sequence[Scenario], arguments: Sequence[str] | None) -> argparse.Namespace:
    names = ", ".join(scenario.name for scenario in known)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1, help="of the first run of each scenario (default: %(default)s)")
    parser.add_argument("--quick", action="store_true", help="fewer runs, and none that needs an Airflow of its own")
    parser.add_argument(
        "--only", nargs="+", type=_named, metavar="NAME[=RUNS]", help=f"only these, and how often. There are: {names}"
    )
    parser.add_argument("--without-peers", action="store_true", help="do not run the official client beside it")
    parser.add_argument("--json", type=Path, help="where to write what came of it")
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


def _chosen(known: Sequence[Scenario], options: argparse.Namespace) -> list[tuple[Scenario, int]]:
    asked: dict[str, int | None] = dict(options.only or [(scenario.name, None) for scenario in known])
    usual = {scenario.name: scenario.quick_runs if options.quick else scenario.runs for scenario in known}
    return [
        (scenario, usual[scenario.name] if (runs := asked[scenario.name]) is None else runs)
        for scenario in known
        if scenario.name in asked
    ]


def _expected(scenario: Scenario, runs: int, *, with_peers: bool) -> int:
    """How many outcomes there will be, as far as that can be told before."""
    return runs * (1 + with_peers * sum(row.is_peer for row in scenario.rows))


def _carried_out(scenario: Scenario, setting: Setting, progress: Progress) -> list[dict[str, Any]]:
    print(f"{scenario.name}: {setting.runs} runs, seeds {setting.seeds[0]} to {setting.seeds[-1]}", flush=True)
    began = time.monotonic()
    tally = Tally(scenario)
    for outcome in scenario.carry_out(setting):
        tally.add(outcome)
        if not scenario.tells_itself:
            progress.step()
    seconds = round(time.monotonic() - began)
    progress.say(f"done, {seconds} s")
    return [{**row, "seconds": seconds} for row in tally.rows()]


def _tell(rows: Sequence[dict[str, Any]], left_out: Sequence[dict[str, str]], seed: int, seconds: float) -> bool:
    """Tell what stands behind the table; gives whether anything is wrong."""
    wrong = False
    for row in rows:
        if row["notes"]:
            print(f"{row['title']}: " + ", ".join(f"{name}: {number:g}" for name, number in row["notes"].items()))
        for finding in row["findings"]:
            wrong = True
            print(f"WRONG in {row['name']}, seed {finding['seed']}, {finding['kind']}: {finding['what']}")
        if not row["is_peer"] and row["faults"] == 0:
            wrong = True
            print(f"WRONG in {row['name']}: nothing went wrong, so nothing was shown")
    for each in left_out:
        print(f"{each['name']} was left out: {each['why']}")
    counted = [row for row in rows if not row["is_peer"]]
    totals = {kind: sum(row[str(kind)] or 0 for row in counted) for kind in Kind}
    print(", ".join(f"{kind}: {total}" for kind, total in totals.items()) + f"; seed {seed}, {seconds:.0f} s")
    return wrong or not counted


def _machine() -> dict[str, Any]:
    from importlib.metadata import version

    return {
        "processors": os.cpu_count(),
        "python": platform.python_version(),
        "airflow": version("apache-airflow"),
        "system": f"{platform.system()} {platform.machine()}",
    }


if __name__ == "__main__":
    sys.exit(main())
