"""Run the benchmarks and their peers, print a table, and write ``results/latest.json``.

``python -m benchmarks [--quick] [--only NAME …]``
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from benchmarks import airflow_waits, client, imports, prune, publishing, rate_limit, wait
from benchmarks.figures import Figure, format_table
from benchmarks.machine import describe_machine, format_machine
from benchmarks.measure import LATEST

BENCHMARKS: Mapping[str, Callable[..., list[Figure]]] = {
    "imports": imports.measure,
    "client": client.measure,
    "rate_limit": rate_limit.measure,
    "publishing": publishing.measure,
    "prune": prune.measure,
    "wait": wait.measure,
    "airflow_waits": airflow_waits.measure,
}


def main() -> None:
    """Run the chosen benchmarks."""
    options = _options()
    began = time.monotonic()
    results: dict[str, Any] = {}
    for number, name in enumerate(options.only, 1):
        print(f"[{number}/{len(options.only)}] {name}, {time.monotonic() - began:.0f} s so far", flush=True)
        started = time.monotonic()
        figures = [figure.as_json() for figure in BENCHMARKS[name](quick=options.quick)]
        result = {
            "measured": datetime.now(UTC).isoformat(timespec="minutes"),
            "seconds": round(time.monotonic() - started),
            "machine": describe_machine(),
            "figures": figures,
        }
        results[name] = result
        if not options.quick:
            save_results({name: result})
    figures = [figure for result in results.values() for figure in result["figures"]]
    duration = f"{time.monotonic() - began:.0f} s on {format_machine(describe_machine())}"
    print("\n".join(["", *format_table(figures), "", duration]))


def save_results(results: Mapping[str, Any]) -> None:
    """Write results to ``results/latest.json``; keep the latest results of all other benchmarks."""
    latest = json.loads(LATEST.read_text()) if LATEST.exists() else {}
    LATEST.parent.mkdir(exist_ok=True)
    merged = {**latest, **results}
    in_order = {name: merged[name] for name in BENCHMARKS if name in merged}
    LATEST.write_text(json.dumps(in_order, indent=2, ensure_ascii=False) + "\n")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="make fewer and shorter runs, and write no file")
    parser.add_argument("--only", nargs="+", choices=list(BENCHMARKS), default=list(BENCHMARKS), metavar="NAME")
    return parser.parse_args()


if __name__ == "__main__":
    main()
