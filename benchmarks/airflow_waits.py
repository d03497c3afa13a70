"""Measure what deferred waits cost a real Airflow 3.3.

200 waits on 10 models run in four variants, one after the other, on one Airflow with PostgreSQL and the LocalExecutor:

- (a) the waits end on a worker;
- (b) they end in the triggerer;
- (c) they start and end in the triggerer;
- (d) Airflow's ``DateTimeSensorAsync`` starts and ends in the triggerer.

CPU is that of all processes of Airflow, minus what an idle Airflow takes in the same time. The versions that (a) to (c)
wait for are published as soon as the last wait has deferred, which is when Airflow's deferral race would fail them.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
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
from tests.support.rest_api import RestAPI, until_up

VERSIONS, INTERVAL, IDLE_SECONDS, TIMEOUT = 3, 20.0, 15.0, 900.0
DELAY = timedelta(seconds=35)  # until the target time of (d): by then, all of its sensors have deferred
DAGS = Path(__file__).parent / "dags"
PROCESSES = ("api-server", "scheduler", "dag-processor", "triggerer")


@dataclass(frozen=True)
class Result:
    """The cost of the waits of one DAG.

    Attributes:
        cpu: Seconds of CPU, minus those of an idle Airflow.
        failed: How many waits failed.
        requests: Requests to the service until all waits had deferred.
    """

    cpu: float
    failed: int
    requests: int


def cpu_of(airflow: RealAirflow) -> float:
    """Return the seconds of CPU that all processes of Airflow have taken, including ended ones."""

    def total(process: psutil.Process) -> float:
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            own = times.user + times.system + times.children_user + times.children_system
            return float(own + sum(total(child) for child in process.children()))
        return 0.0

    return sum(total(psutil.Process(airflow.pid(name))) for name in PROCESSES)


def count_states(airflow: RealAirflow, dag: str) -> dict[str, int]:
    """Return how many tasks of a DAG are in each state."""
    rows = airflow.fetch("SELECT state, count(*) FROM task_instance WHERE dag_id = :dag GROUP BY state", dag=dag)
    return {row[0]: row[1] for row in rows}


def run_variant(
    airflow: RealAirflow, store: Store, variant: str, *, waits: int, idle: float, publish: Callable[[], None]
) -> Result:
    """Run the waits of one variant.

    Args:
        airflow: The running Airflow.
        store: The versions, and the log of requests.
        variant: A letter from ``a`` to ``d``.
        waits: How many waits the DAG has.
        idle: Seconds of CPU that an idle Airflow takes per second.
        publish: Publishes the versions that the waits wait for.
    """
    dag = f"waits_{variant}"
    requests = len(store.requests(100_000))
    cpu, began = cpu_of(airflow), time.monotonic()
    at = datetime.now(UTC) + DELAY
    RestAPI(airflow.url).trigger(dag, **({"at": at.isoformat()} if variant == "d" else {}))
    if variant != "d":
        until(
            lambda: sum(count_states(airflow, dag).get(state, 0) for state in ("deferred", "failed")) == waits,
            lambda: f"{dag}: {count_states(airflow, dag)}",
            patience=TIMEOUT,
        )
    requests = len(store.requests(100_000)) - requests
    publish()
    until(
        lambda: sum(count_states(airflow, dag).get(state, 0) for state in ("success", "failed")) == waits,
        lambda: f"{dag}: {count_states(airflow, dag)}",
        patience=TIMEOUT,
    )
    taken = cpu_of(airflow) - cpu - idle * (time.monotonic() - began)
    return Result(taken, count_states(airflow, dag).get("failed", 0), requests)


def run(waits: int, models: int) -> dict[str, Result]:
    """Run all four variants on one Airflow."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "sandbox.db")
        store.add_token(TOKEN, "acme")
        for variant in "abc":
            for model in range(models):
                seed(store, "acme", f"{variant}-{model}", VERSIONS)
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
                return _run_variants(airflow, store, waits, models)


def _run_variants(airflow: RealAirflow, store: Store, waits: int, models: int) -> dict[str, Result]:
    until(lambda: airflow.fetch("SELECT count(*) FROM serialized_dag")[0][0] >= len("abcd"), patience=TIMEOUT)
    until_up(airflow.url)
    before = cpu_of(airflow)
    time.sleep(IDLE_SECONDS)
    idle = (cpu_of(airflow) - before) / IDLE_SECONDS

    def publish(variant: str) -> None:
        for model in range(models if variant != "d" else 0):
            store.create_version(
                "acme",
                f"{variant}-{model}",
                release_notes="x",
                schemas={},
                container_image_digest="sha256:" + "ab" * 32,
            )

    return {
        variant: run_variant(airflow, store, variant, waits=waits, idle=idle, publish=partial(publish, variant))
        for variant in "abcd"
    }


def measure(*, quick: bool) -> list[Figure]:
    """Run all variants and compare them."""
    waits = 20 if quick else 200
    models = min(10, waits)
    results = run(waits, models)
    a, b, c, d = (results[variant] for variant in "abcd")
    work, on_workers = f"{waits} waits on Airflow", "ended on workers"

    def cpu(variant: str, result: Result, peer: str, other: Result, most: float) -> Figure:
        return Figure(f"{work}, {variant}: CPU", "s", [result.cpu], peer, [other.cpu]).with_peer_goal(most)

    return [
        cpu("ended in the triggerer", b, on_workers, a, 0.6),
        cpu("started and ended in the triggerer", c, on_workers, a, 0.1),
        cpu("started and ended in the triggerer", c, "DateTimeSensorAsync, started and ended in the triggerer", d, 1.5),
        Figure(
            f"{work}, started and ended in the triggerer: requests before the first interval",
            "requests",
            [c.requests],
            on_workers,
            [a.requests],
            goal=f"at most {models}",
            met=c.requests <= models,
        ),
        *(
            Figure(
                f"{work}, {variant}: failed when all versions are published at once",
                "waits",
                [result.failed],
                on_workers,
                [a.failed],
                goal="none",
                met=not result.failed,
            )
            for variant, result in (("ended in the triggerer", b), ("started and ended in the triggerer", c))
        ),
    ]
