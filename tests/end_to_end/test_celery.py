"""Kill one of two Celery workers that run hundreds of tasks with one token: nothing is lost, and nothing runs twice."""

from __future__ import annotations

import importlib.util
import json
import logging
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_provider_wriftai.sandbox.app import create_app
from airflow_provider_wriftai.sandbox.faults import Fault, FaultEvent, Faults
from airflow_provider_wriftai.sandbox.rate_limit import Limit, RateLimit
from airflow_provider_wriftai.sandbox.seed import seed
from airflow_provider_wriftai.sandbox.server import running
from airflow_provider_wriftai.sandbox.store import Store
from tests.support.polling import until
from tests.support.postgres import find_postgres
from tests.support.real_airflow import AIRFLOW_2, RealAirflow, process_at, running_airflow
from tests.support.redis_server import program, running_redis
from tests.support.sandbox import Sandbox

if importlib.util.find_spec("airflow.providers.celery") is None:
    pytest.skip("not installed: apache-airflow-providers-celery", allow_module_level=True)

from tests.support.celery_workers import (
    celery_environment,
    count_finished,
    find_queued,
    find_worker,
    suspend_until_reserved,
    worker_commands,
)

log = logging.getLogger(__name__)

MODELS, PUBLISHES = 200, 50
# The number of the model to which the killed worker is publishing.
INTERRUPTED = PUBLISHES // 2
WORKERS = ("left", "right")
TASKS_AT_ONCE = 4
# Enough to keep both workers busy at the same time.
SLOTS = 4
TIMEOUT = 1200.0


@pytest.fixture
def store(sandbox: Sandbox, tmp_path: Path) -> Iterator[Store]:
    """The data of a sandbox for this test alone, with a log of all its requests."""
    store = Store(tmp_path / "sandbox.db")
    store.add_token(sandbox.token, "acme")
    for number in range(MODELS):
        seed(store, "acme", f"model-{number}", 7)
    yield store
    store.close()


@pytest.mark.long
@pytest.mark.timeout(1500)
@pytest.mark.skipif(AIRFLOW_2, reason="Airflow 2 is not tested with Celery")
@pytest.mark.skipif(find_postgres() is None, reason="not on this machine: PostgreSQL")
@pytest.mark.skipif(program() is None, reason="not on this machine: redis-server")
def test_a_killed_worker_loses_and_repeats_nothing(
    sandbox: Sandbox, store: Store, tmp_path: Path, repository: Path
) -> None:
    faults = Faults()
    # The version exists; only the response is delayed.
    faults.add([Fault(method="POST", path=f"/models/acme/model-{INTERRUPTED}/versions$", delay=3600)])
    limit = RateLimit(Limit(10, 10), Limit(1, 1))
    with running_redis(program() or "", tmp_path) as broker, running(create_app(store, limit, faults=faults)) as url:
        environment = {
            **celery_environment(broker),
            "AIRFLOW_CONN_WRIFTAI_DEFAULT": json.dumps(sandbox.connection(host=f"{url}/v1")),
            "MODELS": str(MODELS),
            "PUBLISHES": str(PUBLISHES),
            "POOL": "wriftai",
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "20",
            # Airflow queues tasks again that a killed worker had reserved and not started.
            "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT": "60",
            "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT_CHECK_INTERVAL": "3",
        }
        dags = repository / "tests" / "end_to_end" / "celery_dags"
        with running_airflow(tmp_path, dags, environment, worker_commands(WORKERS, TASKS_AT_ONCE)) as airflow:
            airflow.command("pools", "set", "wriftai", str(SLOTS), "All tasks that use one token")
            victim = find_worker(airflow, WORKERS, process_at(_wait_until_executed(faults).port))
            reserved = suspend_until_reserved(airflow, victim, broker)
            airflow.kill(victim)
            not_started = list(find_queued(airflow, reserved).values())
            finished = count_finished(airflow)
            _wait_until_all_have_ended(airflow)
            _check_tasks(airflow, not_started)
            _check_other_worker_did_the_rest(finished, count_finished(airflow), victim)
            _check_results(airflow)
    _check_service(store)
    assert sandbox.token not in "".join(file.read_text(errors="replace") for file in tmp_path.rglob("*.log"))


def _wait_until_executed(faults: Faults) -> FaultEvent:
    """Wait until the service has created the version whose response it delays."""
    while (event := faults.events.get(timeout=TIMEOUT)).stage != "executed":
        pass
    return event


def _wait_until_all_have_ended(airflow: RealAirflow) -> None:
    ended = {"success", "failed", "upstream_failed"}
    until(
        lambda: {state for state, _ in _instances(airflow)} <= ended,
        lambda: Counter(_instances(airflow)),
        patience=TIMEOUT,
        every=1,
    )


def _instances(airflow: RealAirflow) -> list[tuple[str | None, int]]:
    return airflow.instances("scale", "prune") + airflow.instances("scale", "publish")


def _check_tasks(airflow: RealAirflow, not_started: list[tuple[str, int]]) -> None:
    instances = _instances(airflow)
    assert {state for state, _ in instances} == {"success"}, Counter(instances)
    assert len(instances) == MODELS + PUBLISHES
    tries = airflow.instances("scale", "publish")[INTERRUPTED][1]
    assert tries >= 2, airflow.logs("scale", "publish")
    # Tasks that were reserved and never started have run, without using up a try.
    assert not_started
    for task, index in not_started:
        assert airflow.instances("scale", task)[index] == ("success", 1), (task, index)


def _check_other_worker_did_the_rest(before: Counter[str], after: Counter[str], victim: str) -> None:
    assert before.keys() == set(WORKERS)
    (other,) = set(WORKERS) - {victim}
    assert after[victim] == before[victim]
    assert after[other] > before[other]


def _check_results(airflow: RealAirflow) -> None:
    published = [version["reference"] for version in airflow.results("scale", "publish")]
    assert sorted(published) == sorted(f"acme/model-{number}:8" for number in range(PUBLISHES))
    reports = {report["model"]: report for report in airflow.results("scale", "prune")}
    assert len(reports) == MODELS
    for model, report in reports.items():
        assert report["failed"] == []
        assert [entry["reference"] for entry in report["protected"]] == [f"{model}:1"]
        assert set(report["deleted"]) <= {f"{model}:{number}" for number in (2, 3, 4)}


def _check_service(store: Store) -> None:
    for number in range(MODELS):
        versions = store.versions("acme", f"model-{number}")
        new = [8] if number < PUBLISHES else []
        assert [version.number for version in versions] == [*new, 7, 6, 5, 1]
        assert len({version.container_image_digest for version in versions}) == len(versions)
    requests = store.requests(10_000)
    assert len(requests) < 10_000, "the log does not reach back to the beginning"
    executed = Counter((entry["method"], entry["path"]) for entry in requests if entry["status"] in (201, 204))
    assert executed == {
        **{("POST", f"/v1/models/acme/model-{number}/versions"): 1 for number in range(PUBLISHES)},
        **{
            ("DELETE", f"/v1/models/acme/model-{number}/versions/{due}"): 1
            for number in range(MODELS)
            for due in (2, 3, 4)
        },
    }
    limited = sum(entry["status"] == 429 for entry in requests)
    log.info("%d requests, of which %d exceeded the rate limit", len(requests), limited)
