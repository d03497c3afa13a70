"""Every benchmark beside its peers, in one run: a table, and ``results/latest.json``.

``python benchmarks/run.py [--quick] [--only NAME …]``
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import client
import imports
import prune
import publishing
import rate_limit
import wait
from figures import Figure, table

LATEST = Path(__file__).resolve().parent / "results" / "latest.json"
BENCHMARKS: Mapping[str, Callable[..., list[Figure]]] = {
    module.__name__: module.measured for module in (imports, client, rate_limit, publishing, prune, wait)
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
        results[name] = {
            "measured": datetime.now(UTC).isoformat(timespec="minutes"),
            "seconds": round(time.monotonic() - started),
            "machine": machine(),
            "figures": figures,
        }
    figures = [figure for result in results.values() for figure in result["figures"]]
    print("\n".join(["", *table(figures), "", f"{time.monotonic() - began:.0f} s on {told(machine())}"]))
    if not options.quick:
        keep(results)


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


def machine() -> dict[str, Any]:
    """Say what the numbers were measured on."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {
        "processors": os.cpu_count(),
        "processor": models[0] if models else platform.processor() or platform.machine(),
        "system": platform.system(),
        "python": platform.python_version(),
        **{name: version(name) for name in ("apache-airflow", "httpx")},
    }


def told(what: Mapping[str, Any]) -> str:
    """Say on one line what the numbers were measured on."""
    return (
        f"{what['processors']} processors ({what['processor']}), {what['system']}, Python {what['python']}, "
        f"Airflow {what['apache-airflow']}, httpx {what['httpx']}"
    )


if __name__ == "__main__":
    main()
