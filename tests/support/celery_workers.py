"""Celery workers of a real Airflow, over a Redis of a test's own."""

from __future__ import annotations

import json
import signal
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import psutil
from celery import Celery

from tests.support.real_airflow import RealAirflow

_PATIENCE = 120.0


def celery_environment(broker: str) -> dict[str, str]:
    """Airflow's variables for the CeleryExecutor.

    Args:
        broker: The URL of the Redis that hands out the tasks.
    """
    return {
        "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
        "AIRFLOW__CORE__PARALLELISM": "64",
        "AIRFLOW__CORE__MAX_ACTIVE_TASKS_PER_DAG": "64",
        "AIRFLOW__CELERY__BROKER_URL": broker,
        # A machine with others at work on it takes longer than the second that Airflow allows by default.
        "AIRFLOW__CELERY__OPERATION_TIMEOUT": "20",
        # So that what is finished tells by which worker.
        "AIRFLOW__CELERY__EXTRA_CELERY_CONFIG": json.dumps({"result_extended": True}),
    }


def worker_commands(names: Iterable[str], concurrency: int) -> Mapping[str, Sequence[str]]:
    """What comes after ``airflow`` in the command of each worker.

    Args:
        names: The names of the workers.
        concurrency: How many tasks each runs at once.
    """
    options = ["--concurrency", str(concurrency), "--skip-serve-logs"]
    return {name: ["celery", "worker", "--celery-hostname", _node(name), *options] for name in names}


def worker_of(airflow: RealAirflow, names: Iterable[str], process: psutil.Process) -> str:
    """Find which of the workers has started a process."""
    ancestors = {parent.pid for parent in process.parents()}
    (name,) = (name for name in names if airflow.pid(name) in ancestors)
    return name


def finished_by(airflow: RealAirflow) -> Counter[str]:
    """Tell how many tasks each worker has finished."""
    found = airflow.ask("SELECT worker, count(*) FROM celery_taskmeta WHERE status = 'SUCCESS' GROUP BY worker")
    return Counter({str(row[0]).partition("@")[0]: row[1] for row in found})


def let_it_take_and_not_begin(airflow: RealAirflow, name: str, broker: str) -> list[str]:
    """Stop what idles of a worker, until it has taken tasks from the broker that none of its processes begins.

    Args:
        airflow: The running Airflow.
        name: The worker; afterwards it is good for nothing but to be killed.
        broker: The URL of the Redis that hands out the tasks.

    Returns:
        The ids of these tasks in Celery.
    """
    main = psutil.Process(airflow.pid(name))
    deadline = time.monotonic() + _PATIENCE
    seen: set[str] = set()
    with Celery(broker=broker) as celery:  # type: ignore[no-untyped-call]
        while True:
            for process in main.children():
                # What is at work on a task has started a process for it.
                if not process.children():
                    process.send_signal(signal.SIGSTOP)
            inspect = celery.control.inspect(destination=[_node(name)], timeout=10, limit=1)
            taken = [
                task["id"] for tasks in (inspect.reserved(), inspect.active()) for task in (tasks or {})[_node(name)]
            ]
            queued = queued_as(airflow, taken).keys()
            # What was just about to begin has begun by the second look.
            if seen & queued:
                return sorted(seen & queued)
            seen = set(queued)
            assert time.monotonic() < deadline, f"{name} has begun all that it has taken: {taken}"


def queued_as(airflow: RealAirflow, ids: Iterable[str]) -> dict[str, tuple[str, int]]:
    """Find those of Celery's tasks that Airflow still has in its queue.

    Args:
        airflow: The running Airflow.
        ids: The ids of the tasks in Celery.

    Returns:
        The task and its index, by the id.
    """
    queued = airflow.ask("SELECT external_executor_id, task_id, map_index FROM task_instance WHERE state = 'queued'")
    return {row[0]: (row[1], row[2]) for row in queued if row[0] in set(ids)}


def _node(name: str) -> str:
    return f"{name}@tests"
