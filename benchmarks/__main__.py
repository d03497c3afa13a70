"""Run every benchmark and its peers; write a table and ``results/latest.json``.

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
from benchmarks.figures import Figure, table
from benchmarks.machine import machine, told
from benchmarks.measure import LATEST

BENCHMARKS: Mapping[str, Callable[..., list[Figure]]] = {
    "imports": imports.measured,
    "client": client.measured,
    "rate_limit": rate_limit.measured,
    "publishing": publishing.measured,
    "prune": prune.measured,
    "wait": wait.measured,
    "airflow_waits": airflow_waits.measured,
}


def main() -> None:
    """Measure, and report."""
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
            "machine": machine(),
            "figures": figures,
        }
        results[name] = result
        if not options.quick:
            keep({name: result})
    figures = [figure for result in results.values() for figure in result["figures"]]
    print("\n".join(["", *table(figures), "", f"{time.monotonic() - began:.0f} s on {told(machine())}"]))


def keep(results: Mapping[str, Any]) -> None:
    """Write results down, beside the latest ones of what was not measured now."""
    latest = json.loads(LATEST.read_text()) if LATEST.exists() else {}
    LATEST.parent.mkdir(exist_ok=True)
    merged = {**latest, **results}
    in_order = {name: merged[name] for name in BENCHMARKS if name in merged}
    LATEST.write_text(json.dumps(in_order, indent=2, ensure_ascii=False) + "\n")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer and shorter runs; writes nothing")
    parser.add_argument("--only", nargs="+", choices=list(BENCHMARKS), default=list(BENCHMARKS), metavar="NAME")
    return parser.parse_args()


if __name__ == "__main__":
    main()
