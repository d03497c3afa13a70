"""Celery workers of a real Airflow that use a Redis of the test's own."""

from __future__ import annotations

import json
import signal
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import psutil
from celery import Celery

from tests.support.real_airflow import RealAirflow

_TIMEOUT = 120.0


def celery_environment(broker: str) -> dict[str, str]:
    """Return Airflow's environment variables for the CeleryExecutor.

    Args:
        broker: The URL of the Redis that is the message broker.
    """
    return {
        "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
        "AIRFLOW__CORE__PARALLELISM": "64",
        "AIRFLOW__CORE__MAX_ACTIVE_TASKS_PER_DAG": "64",
        "AIRFLOW__CELERY__BROKER_URL": broker,
        # A busy machine takes longer than the second that Airflow allows by default.
        "AIRFLOW__CELERY__OPERATION_TIMEOUT": "20",
        # The result of each task then names its worker.
        "AIRFLOW__CELERY__EXTRA_CELERY_CONFIG": json.dumps({"result_extended": True}),
    }


def worker_commands(names: Iterable[str], concurrency: int) -> Mapping[str, Sequence[str]]:
    """Return the arguments of ``airflow`` that start each worker.

    Args:
        names: The names of the workers.
        concurrency: How many tasks each worker runs at once.
    """
    options = ["--concurrency", str(concurrency), "--skip-serve-logs"]
    return {name: ["celery", "worker", "--celery-hostname", _node(name), *options] for name in names}


def find_worker(airflow: RealAirflow, names: Iterable[str], process: psutil.Process) -> str:
    """Return the name of the worker that started a process."""
    ancestors = {parent.pid for parent in process.parents()}
    (name,) = (name for name in names if airflow.pid(name) in ancestors)
    return name


def count_finished(airflow: RealAirflow) -> Counter[str]:
    """Return how many tasks each worker has finished."""
    rows = airflow.fetch("SELECT worker, count(*) FROM celery_taskmeta WHERE status = 'SUCCESS' GROUP BY worker")
    return Counter({str(row[0]).partition("@")[0]: row[1] for row in rows})


def suspend_until_reserved(airflow: RealAirflow, name: str, broker: str) -> list[str]:
    """Suspend the idle processes of a worker until it has reserved tasks that none of its processes starts.

    Args:
        airflow: The running Airflow.
        name: The worker. Afterwards it can only be killed.
        broker: The URL of the Redis that is the message broker.

    Returns:
        The ids of these tasks in Celery.
    """
    main = psutil.Process(airflow.pid(name))
    deadline = time.monotonic() + _TIMEOUT
    queued_before: set[str] = set()
    with Celery(broker=broker) as celery:  # type: ignore[no-untyped-call]
        while True:
            for process in main.children():
                # A busy process has started a child process for its task.
                if not process.children():
                    process.send_signal(signal.SIGSTOP)
            inspect = celery.control.inspect(destination=[_node(name)], timeout=10, limit=1)
            reserved = [
                task["id"] for tasks in (inspect.reserved(), inspect.active()) for task in (tasks or {})[_node(name)]
            ]
            queued = find_queued(airflow, reserved).keys()
            # A task that was about to start has started by the second query.
            if queued_before & queued:
                return sorted(queued_before & queued)
            queued_before = set(queued)
            assert time.monotonic() < deadline, f"{name} has started all tasks that it has reserved: {reserved}"


def find_queued(airflow: RealAirflow, ids: Iterable[str]) -> dict[str, tuple[str, int]]:
    """Return which of Celery's tasks are still queued in Airflow.

    Args:
        airflow: The running Airflow.
        ids: The ids of the tasks in Celery.

    Returns:
        The task's id in Airflow and its map index, by the id in Celery.
    """
    queued = airflow.fetch("SELECT external_executor_id, task_id, map_index FROM task_instance WHERE state = 'queued'")
    return {row[0]: (row[1], row[2]) for row in queued if row[0] in set(ids)}


def _node(name: str) -> str:
    return f"{name}@tests"
