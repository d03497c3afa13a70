"""Compare the import time that operators, sensors, and triggers add to a DAG file with other providers."""

from __future__ import annotations

from benchmarks.figures import Figure
from benchmarks.measure import in_turn, python_of, work

OURS = "airflow_provider_wriftai"
PEERS = {
    "http": "airflow.providers.http",
    "dbt-cloud": "airflow.providers.dbt.cloud",
    "databricks": "airflow.providers.databricks",
    "openai": "airflow.providers.openai",
}
MOST_MILLISECONDS = 10.0
HEAVY = {"httpx", "tenacity", "starlette", "jsonschema"}


def measured(*, quick: bool) -> list[Figure]:
    """Import each provider on top of what Airflow itself loads for a DAG file, each time in a fresh process."""
    python = python_of("providers")
    workloads = [work("import_provider", package, python=python) for package in (OURS, *PEERS.values())]
    in_turn(1, *workloads)  # compiles what was not compiled yet
    ours, *peers = in_turn(3 if quick else 5, *workloads)
    milliseconds = [run["milliseconds"] for run in ours]
    loaded = ours[0]["loaded"]
    packages = {name.split(".")[0] for name in loaded}
    note = f"{len(loaded)} modules, of {', '.join(sorted(packages))}"
    met = max(milliseconds) <= MOST_MILLISECONDS and not HEAVY & packages
    return [
        Figure(
            "importing all operators, sensors and triggers",
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
