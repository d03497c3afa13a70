"""What a deferred wait costs on a real Airflow 3.3: ``python -m benchmarks.wait_airflow [WAITS]``.

200 waits on 10 models, in four ways, one after the other on one Airflow with PostgreSQL and the LocalExecutor:

- (a) they go back to a worker to end;
- (b) they end in the triggerer;
- (c) they start and end there;
- (d) the official ``DateTimeSensorAsync`` starts and ends there: the floor.

CPU is that of all processes of Airflow, over what an idle Airflow takes in the same time. What (a) to (c) wait for is
published the moment the last of them has deferred, which is when Airflow's deferral race would fail them.

Goals: (b) at most 0.6 of (a); (c) at most 0.1 of (a), and at most 1.5 of (d); (c) sends one list request per model
before its first interval is over; no wait fails in (b) and (c).
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import psutil

from airflow_provider_wriftai.sandbox.app import create_app
from airflow_provider_wriftai.sandbox.seed import seed
from airflow_provider_wriftai.sandbox.server import running
from airflow_provider_wriftai.sandbox.store import Store
from tests.support.polling import until
from tests.support.real_airflow import RealAirflow, running_airflow

TOKEN = "token-of-the-benchmark"  # noqa: S105 - of a sandbox
VERSIONS, INTERVAL, IDLE_SECONDS, PATIENCE = 3, 120.0, 60.0, 900.0
DAGS = Path(__file__).parent / "dags"
PROCESSES = ("api-server", "scheduler", "dag-processor", "triggerer")


@dataclass(frozen=True)
class Result:
    """What the waits of one DAG took.

    Attributes:
        cpu: Seconds of CPU, over an idle Airflow.
        seconds: Seconds from the start of the run to its end.
        failed: How many waits failed.
        requests: Requests to the service until all had deferred.
    """

    cpu: float
    seconds: float
    failed: int
    requests: int


def cpu_of(airflow: RealAirflow) -> float:
    """Return the seconds of CPU that Airflow's processes have taken, with those that have ended."""

    def total(process: psutil.Process) -> float:
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            own = times.user + times.system + times.children_user + times.children_system
            return float(own + sum(total(child) for child in process.children()))
        return 0.0

    return sum(total(psutil.Process(airflow.pid(name))) for name in PROCESSES)


def states(airflow: RealAirflow, dag: str) -> dict[str, int]:
    """Return how many tasks of a DAG have which state."""
    rows = airflow.ask("SELECT state, count(*) FROM task_instance WHERE dag_id = :dag GROUP BY state", dag=dag)
    return {row[0]: row[1] for row in rows}


def measure(
    airflow: RealAirflow, store: Store, way: str, *, waits: int, idle: float, release: Callable[[], None]
) -> Result:
    """Run the waits of one way."""
    dag = f"waits_{way}"
    requests = len(store.requests(100_000))
    cpu, began = cpu_of(airflow), time.monotonic()
    at = datetime.now(UTC) + timedelta(seconds=60)
    airflow.command("dags", "trigger", dag, *(["--conf", json.dumps({"at": at.isoformat()})] if way == "d" else []))
    if way != "d":
        until(
            lambda: sum(states(airflow, dag).get(state, 0) for state in ("deferred", "failed")) == waits,
            lambda: f"{dag}: {states(airflow, dag)}",
            patience=PATIENCE,
        )
    requests = len(store.requests(100_000)) - requests
    release()
    until(
        lambda: sum(states(airflow, dag).get(state, 0) for state in ("success", "failed")) == waits,
        lambda: f"{dag}: {states(airflow, dag)}",
        patience=PATIENCE,
    )
    seconds = time.monotonic() - began
    taken = cpu_of(airflow) - cpu - idle * seconds
    return Result(taken, seconds, states(airflow, dag).get("failed", 0), requests)


def run(waits: int, models: int) -> dict[str, Result]:
    """Run all four ways on one Airflow."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "sandbox.db")
        store.add_token(TOKEN, "acme")
        for way in "abc":
            for model in range(models):
                seed(store, "acme", f"{way}-{model}", VERSIONS)
        with running(create_app(store)) as url:
            connection = {"conn_type": "wriftai", "host": f"{url}/generation-2/v1", "password": TOKEN}
            environment = {
                "AIRFLOW_CONN_WRIFTAI_DEFAULT": json.dumps(connection),
                "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "300",
                "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "60",
                "BENCHMARK_WAITS": str(waits),
                "BENCHMARK_MODELS": str(models),
                "BENCHMARK_NUMBER": str(VERSIONS + 1),
                "BENCHMARK_INTERVAL": str(INTERVAL),
            }
            with running_airflow(Path(folder), DAGS, environment) as airflow:
                return _measure_all(airflow, store, waits, models)


def _measure_all(airflow: RealAirflow, store: Store, waits: int, models: int) -> dict[str, Result]:
    until(lambda: airflow.ask("SELECT count(*) FROM serialized_dag")[0][0] >= len("abcd"), patience=PATIENCE)
    until(lambda: _is_healthy(airflow.url), patience=PATIENCE)
    before = cpu_of(airflow)
    time.sleep(IDLE_SECONDS)
    idle = (cpu_of(airflow) - before) / IDLE_SECONDS

    def release(way: str) -> Callable[[], None]:
        def publish() -> None:
            for model in range(models):
                store.create_version(
                    "acme",
                    f"{way}-{model}",
                    release_notes="x",
                    schemas={},
                    container_image_digest="sha256:" + "ab" * 32,
                )

        return publish if way != "d" else lambda: None

    results: dict[str, Result] = {}
    for way in "abcd":
        result = results[way] = measure(airflow, store, way, waits=waits, idle=idle, release=release(way))
        print(
            f"({way}) {result.cpu:7.1f} s of CPU, {result.seconds:5.0f} s, {result.failed} failed, "
            f"{result.requests} requests until all had deferred",
            flush=True,
        )
    return results


def _is_healthy(url: str) -> bool:
    try:
        return httpx.get(f"{url}/api/v2/monitor/health").status_code == 200
    except httpx.HTTPError:
        return False


def report(results: dict[str, Result], models: int) -> bool:
    """Print the goals; return whether all are met."""
    a, b, c, d = (results[way].cpu for way in "abcd")
    goals = {
        f"(b) is {b / a:.2f} of (a); at most 0.6": b <= 0.6 * a,
        f"(c) is {c / a:.2f} of (a); at most 0.1": c <= 0.1 * a,
        f"(c) is {c / d:.2f} of (d); at most 1.5": c <= 1.5 * d,
        f"(c) sent {results['c'].requests} requests; at most {models}": results["c"].requests <= models,
        "No wait failed in (b) and (c)": results["b"].failed == results["c"].failed == 0,
    }
    for goal, is_met in goals.items():
        print(f"{'met   ' if is_met else 'MISSED'} {goal}")
    return all(goals.values())


if __name__ == "__main__":
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    sys.exit(not report(run(number, min(10, number)), min(10, number)))
