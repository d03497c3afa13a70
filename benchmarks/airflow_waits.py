"""What deferred waits cost on a real Airflow 3.3.

200 waits on 10 models, in four ways, one after the other on one Airflow with PostgreSQL and the LocalExecutor:

- (a) they go back to a worker to end;
- (b) they end in the triggerer;
- (c) they start and end there;
- (d) the official ``DateTimeSensorAsync`` starts and ends there: the floor.

CPU is that of all processes of Airflow, over what an idle Airflow takes in the same time. What (a) to (c) wait for is
published the moment the last of them has deferred, which is when Airflow's deferral race would fail them.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil

from airflow_provider_wriftai.sandbox.app import create_app
from airflow_provider_wriftai.sandbox.seed import seed
from airflow_provider_wriftai.sandbox.server import running
from airflow_provider_wriftai.sandbox.store import Store
from benchmarks.figures import Figure
from benchmarks.measure import TOKEN
from tests.support.polling import until
from tests.support.real_airflow import RealAirflow, running_airflow
from tests.support.rest_api import until_up

VERSIONS, INTERVAL, IDLE_SECONDS, PATIENCE = 3, 60.0, 20.0, 900.0
DELAY = timedelta(seconds=45)  # until what the official sensors wait for: by then all have deferred
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
    at = datetime.now(UTC) + DELAY
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
    until_up(airflow.url)
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

    return {way: measure(airflow, store, way, waits=waits, idle=idle, release=release(way)) for way in "abcd"}


def measured(*, quick: bool) -> list[Figure]:
    """Measure everything."""
    waits = 20 if quick else 200
    models = min(10, waits)
    results = run(waits, models)
    a, b, c, d = (results[way] for way in "abcd")
    work, on_workers = f"{waits} waits on Airflow", "the same, ended by workers"

    def cpu(way: str, result: Result, peer: str, other: Result, most: float) -> Figure:
        name, goal = f"{work}, {way}: CPU", f"at most {most:g} of the peer"
        return Figure(name, "s", [result.cpu], peer, [other.cpu], goal=goal).judged(most)

    return [
        cpu("ended in the triggerer", b, on_workers, a, 0.6),
        cpu("started and ended there", c, on_workers, a, 0.1),
        cpu("started and ended there", c, "DateTimeSensorAsync, started and ended there", d, 1.5),
        Figure(
            f"{work}, started and ended there: requests before the first interval",
            "requests",
            [c.requests],
            on_workers,
            [a.requests],
            goal=f"at most {models}",
            met=c.requests <= models,
        ),
        *(
            Figure(
                f"{work}, {way}: failed when all versions are published at once",
                "waits",
                [result.failed],
                on_workers,
                [a.failed],
                goal="none",
                met=not result.failed,
            )
            for way, result in (("ended in the triggerer", b), ("started and ended there", c))
        ),
    ]
