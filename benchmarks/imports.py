"""Compare the import time that operators, sensors, and triggers add to a DAG file with other providers."""

from __future__ import annotations

from benchmarks.figures import Figure
from benchmarks.measure import bind_workload, find_python, run_interleaved

OURS = "airflow_provider_wriftai"
PEERS = {
    "http": "airflow.providers.http",
    "dbt-cloud": "airflow.providers.dbt.cloud",
    "databricks": "airflow.providers.databricks",
    "openai": "airflow.providers.openai",
}
MOST_MILLISECONDS = 10.0
HEAVY = {"httpx", "tenacity", "starlette", "jsonschema"}


def measure(*, quick: bool) -> list[Figure]:
    """Import each provider in a new process that has already imported what Airflow loads for a DAG file."""
    python = find_python("providers")
    workloads = [bind_workload("import_provider", package, python=python) for package in (OURS, *PEERS.values())]
    run_interleaved(1, *workloads)  # Compile all bytecode before the measurement.
    ours, *peers = run_interleaved(3, *workloads)
    milliseconds = [run["milliseconds"] for run in ours]
    loaded = ours[0]["loaded"]
    packages = {name.split(".")[0] for name in loaded}
    note = f"loads {len(loaded)} modules, all from {', '.join(sorted(packages))}"
    met = max(milliseconds) <= MOST_MILLISECONDS and not HEAVY & packages
    return [
        Figure(
            "importing all operators, sensors, and triggers",
            "ms",
            milliseconds,
            f"provider for {name}",
            [run["milliseconds"] for run in runs],
            goal=f"at most {MOST_MILLISECONDS:g} ms, no {', '.join(sorted(HEAVY))}",
            met=met,
            note=note if number == 0 else "",
        )
        for number, (name, runs) in enumerate(zip(PEERS, peers, strict=True))
    ]
