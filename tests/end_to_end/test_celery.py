"""kill -9 on one of two Celery workers amid hundreds of tasks of one token: nothing is lost, and nothing done twice."""

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
from tests.support.postgres import programs
from tests.support.real_airflow import AIRFLOW_2, RealAirflow, process_at, running_airflow
from tests.support.redis_server import program, running_redis
from tests.support.sandbox import Sandbox

if importlib.util.find_spec("airflow.providers.celery") is None:
    pytest.skip("not installed: apache-airflow-providers-celery", allow_module_level=True)

from tests.support.celery_workers import (
    celery_environment,
    finished_by,
    let_it_take_and_not_begin,
    queued_as,
    worker_commands,
    worker_of,
)

log = logging.getLogger(__name__)

MODELS, PUBLISHES = 200, 50
# The image whose create is under way when the worker that sent it is killed.
HALF_WAY = PUBLISHES // 2
WORKERS = ("left", "right")
TASKS_AT_ONCE = 4
# Enough that both workers are at it at once.
SLOTS = 4
PATIENCE = 1200.0


@pytest.fixture
def store(sandbox: Sandbox, tmp_path: Path) -> Iterator[Store]:
    """The data of a sandbox of this test's own, whose log of requests tells what was done."""
    made = Store(tmp_path / "sandbox.db")
    made.add_token(sandbox.token, "acme")
    for number in range(MODELS):
        seed(made, "acme", f"model-{number}", 7)
    yield made
    made.close()


@pytest.mark.long
@pytest.mark.timeout(1500)
@pytest.mark.skipif(AIRFLOW_2, reason="Airflow 2 is not tried with Celery")
@pytest.mark.skipif(programs() is None, reason="not on this machine: PostgreSQL")
@pytest.mark.skipif(program() is None, reason="not on this machine: redis-server")
def test_a_worker_that_is_killed_amid_it_all(sandbox: Sandbox, store: Store, tmp_path: Path, repository: Path) -> None:
    faults = Faults()
    # The version is there; only its answer is held up.
    faults.add([Fault(method="POST", path=f"/models/acme/model-{HALF_WAY}/versions$", delay=3600)])
    limit = RateLimit(Limit(10, 10), Limit(1, 1))
    with running_redis(program() or "", tmp_path) as broker, running(create_app(store, limit, faults=faults)) as url:
        environment = {
            **celery_environment(broker),
            "AIRFLOW_CONN_WRIFTAI_DEFAULT": json.dumps(sandbox.connection(host=f"{url}/v1")),
            "MODELS": str(MODELS),
            "PUBLISHES": str(PUBLISHES),
            "POOL": "wriftai",
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "20",
            # So soon is queued anew what a killed worker had taken and not begun.
            "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT": "60",
            "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT_CHECK_INTERVAL": "3",
        }
        dags = repository / "tests" / "end_to_end" / "celery_dags"
        with running_airflow(tmp_path, dags, environment, worker_commands(WORKERS, TASKS_AT_ONCE)) as airflow:
            airflow.command("pools", "set", "wriftai", str(SLOTS), "All that asks WriftAI with one token")
            victim = worker_of(airflow, WORKERS, process_at(_until_it_is_made(faults).port))
            taken = let_it_take_and_not_begin(airflow, victim, broker)
            airflow.kill(victim)
            not_begun = list(queued_as(airflow, taken).values())
            finished = finished_by(airflow)
            _until_all_have_ended(airflow)
            _check_the_tasks(airflow, not_begun)
            _check_that_the_other_did_the_rest(finished, finished_by(airflow), victim)
            _check_the_results(airflow)
    _check_the_service(store)
    assert sandbox.token not in "".join(file.read_text(errors="replace") for file in tmp_path.rglob("*.log"))


def _until_it_is_made(faults: Faults) -> FaultEvent:
    """Wait until the service has made the version whose answer it holds up."""
    while (reached := faults.events.get(timeout=PATIENCE)).stage != "executed":
        pass
    return reached


def _until_all_have_ended(airflow: RealAirflow) -> None:
    """Ask until no task goes on; Airflow offers no event for it."""
    ended = {"success", "failed", "upstream_failed"}
    until(
        lambda: {state for state, _ in _instances(airflow)} <= ended,
        lambda: Counter(_instances(airflow)),
        patience=PATIENCE,
        every=1,
    )


def _instances(airflow: RealAirflow) -> list[tuple[str | None, int]]:
    return airflow.instances("scale", "prune") + airflow.instances("scale", "publish")


def _check_the_tasks(airflow: RealAirflow, not_begun: list[tuple[str, int]]) -> None:
    instances = _instances(airflow)
    assert {state for state, _ in instances} == {"success"}, Counter(instances)
    assert len(instances) == MODELS + PUBLISHES
    tries = airflow.instances("scale", "publish")[HALF_WAY][1]
    assert tries >= 2, airflow.logs("scale", "publish")
    # What was taken and never begun has run all the same, and no try was used up for it.
    assert not_begun
    for task, index in not_begun:
        assert airflow.instances("scale", task)[index] == ("success", 1), (task, index)


def _check_that_the_other_did_the_rest(before: Counter[str], after: Counter[str], victim: str) -> None:
    assert before.keys() == set(WORKERS)
    (other,) = set(WORKERS) - {victim}
    assert after[victim] == before[victim]
    assert after[other] > before[other]


def _check_the_results(airflow: RealAirflow) -> None:
    published = [version["reference"] for version in airflow.results("scale", "publish")]
    assert sorted(published) == sorted(f"acme/model-{number}:8" for number in range(PUBLISHES))
    reports = {report["model"]: report for report in airflow.results("scale", "prune")}
    assert len(reports) == MODELS
    for model, report in reports.items():
        assert report["failed"] == []
        assert [entry["reference"] for entry in report["protected"]] == [f"{model}:1"]
        assert set(report["deleted"]) <= {f"{model}:{number}" for number in (2, 3, 4)}


def _check_the_service(store: Store) -> None:
    for number in range(MODELS):
        versions = store.versions("acme", f"model-{number}")
        new = [8] if number < PUBLISHES else []
        assert [version.number for version in versions] == [*new, 7, 6, 5, 1]
        assert len({version.container_image_digest for version in versions}) == len(versions)
    answers = store.requests(10_000)
    assert len(answers) < 10_000, "the log does not reach back to the beginning"
    done = Counter((entry["method"], entry["path"]) for entry in answers if entry["status"] in (201, 204))
    assert done == {
        **{("POST", f"/v1/models/acme/model-{number}/versions"): 1 for number in range(PUBLISHES)},
        **{
            ("DELETE", f"/v1/models/acme/model-{number}/versions/{due}"): 1
            for number in range(MODELS)
            for due in (2, 3, 4)
        },
    }
    met_the_limit = sum(entry["status"] == 429 for entry in answers)
    log.info("%d requests, of which %d met the rate limit", len(answers), met_the_limit)
