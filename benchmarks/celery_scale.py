"""Measure prunes and publishes of two Celery workers that share a token: ``python -m benchmarks.celery_scale``.

40 prunes and 20 publishes run under the service's rate limit, with Airflow pools of different sizes and without a pool.
The results are in the table of ``docs/scale.md``. A run needs PostgreSQL and Redis, and takes about ten minutes.
"""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from airflow_provider_wriftai.sandbox.app import create_app
from airflow_provider_wriftai.sandbox.rate_limit import Limit, RateLimit
from airflow_provider_wriftai.sandbox.seed import seed
from airflow_provider_wriftai.sandbox.server import running
from airflow_provider_wriftai.sandbox.store import Store
from benchmarks.measure import ROOT, TOKEN
from tests.support.celery_workers import celery_environment, worker_commands
from tests.support.polling import until
from tests.support.real_airflow import RealAirflow, running_airflow
from tests.support.redis_server import program, running_redis

PRUNES, PUBLISHES, VERSIONS = 40, 20, 7
RATE, BURST = 3.0, 5
WORKERS, CONCURRENCY = ("left", "right"), 4
POOLS = ("1", "2", "4", "")
DAGS = ROOT / "tests" / "end_to_end" / "celery_dags"
TIMEOUT = 900.0
HEADS = ("slots", "requests", "refused with 429", "duration", "states")


@dataclass(frozen=True)
class Result:
    """The outcome of all tasks.

    Attributes:
        requests: How many requests the service received.
        refused: How many of them it refused with 429.
        seconds: The time from the start of the first task to the end of the last one.
        states: How many tasks ended in each state.
    """

    requests: int
    refused: int
    seconds: float
    states: Counter[str | None]


def measure(slots: str) -> Result:
    """Run all tasks.

    Args:
        slots: How many slots the pool has; empty for no pool.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = Store(folder / "sandbox.db")
        store.add_token(TOKEN, "acme")
        for number in range(PRUNES):
            seed(store, "acme", f"model-{number}", VERSIONS)
        limit = RateLimit(Limit(RATE, BURST), Limit(1, 1))
        with running_redis(program() or "", folder) as broker, running(create_app(store, limit)) as url:
            environment = {
                **celery_environment(broker),
                "AIRFLOW_CONN_WRIFTAI_DEFAULT": json.dumps(
                    {"conn_type": "wriftai", "host": f"{url}/v1", "password": TOKEN}
                ),
                "MODELS": str(PRUNES),
                "PUBLISHES": str(PUBLISHES),
                "POOL": "wriftai" if slots else "default_pool",
            }
            with running_airflow(folder, DAGS, environment, worker_commands(WORKERS, CONCURRENCY)) as airflow:
                airflow.command("pools", "set", "wriftai", slots or "1", "The token's tasks")
                until(lambda: _all_ended(airflow), lambda: _count_states(airflow), patience=TIMEOUT, every=0.5)
                states = _count_states(airflow)
                ((seconds,),) = airflow.fetch(
                    "SELECT EXTRACT(EPOCH FROM max(end_date) - min(start_date)) FROM task_instance"
                )
        requests = store.requests(100_000)
        store.close()
    return Result(len(requests), sum(each["status"] == 429 for each in requests), float(seconds), states)


def _count_states(airflow: RealAirflow) -> Counter[str | None]:
    return Counter(state for task in ("prune", "publish") for state, _ in airflow.instances("scale", task))


def _all_ended(airflow: RealAirflow) -> bool:
    states = _count_states(airflow)
    return states.keys() <= {"success", "failed"} and states.total() == PRUNES + PUBLISHES


def main() -> None:
    """Measure with each pool, and print a table."""
    print("\t".join(HEADS), flush=True)
    for slots in POOLS:
        result = measure(slots)
        row = (slots or "no pool", result.requests, result.refused, f"{result.seconds:.0f} s", dict(result.states))
        print("\t".join(map(str, row)), flush=True)


if __name__ == "__main__":
    main()
