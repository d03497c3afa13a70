from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from airflow import DAG

from airflow_provider_wriftai._airflow import task_marks
from airflow_provider_wriftai._airflow.compat import AirflowFailException
from airflow_provider_wriftai.client.errors import NotFoundError
from airflow_provider_wriftai.domain.retention.errors import PruneStoppedError
from airflow_provider_wriftai.operators.cleanup import WriftAICleanupVersionsOperator
from airflow_provider_wriftai.sandbox.faults import Fault, Faults
from tests.support.marked_task_instance import APIServerError, MarkedTaskInstance, TaskInstance, TaskStateStore
from tests.support.sandbox import Sandbox

try:
    from airflow.sdk import task
except ImportError:  # Airflow 2.11
    from airflow.decorators import task  # type: ignore[no-redef]


@pytest.fixture(autouse=True)
def _connection(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_WRIFTAI_DEFAULT", json.dumps(sandbox.connection()))


def _clean_up(model: str, **parameters: Any) -> Any:
    ti: Any = TaskInstance()
    return WriftAICleanupVersionsOperator(task_id="prune", model=model, **parameters).execute({"ti": ti})


@pytest.mark.parametrize(
    ("parameters", "remaining"),
    [
        ({"keep_last": 3}, [8, 7, 6]),
        ({"keep_last": "3"}, [8, 7, 6]),
        ({"keep_last": "3", "dry_run": "False"}, [8, 7, 6]),
        ({"keep_last": 1, "protect": "(2, '4')"}, [8, 4, 2]),
        ({"keep_last": 1, "protect": "'2', '4'"}, [8, 4, 2]),
        ({"keep_last": 1, "protect": "{2, '4'}"}, [8, 4, 2]),
        ({"keep_last": 1, "protect": {2, "4"}}, [8, 4, 2]),
        ({"keep_daily": 3}, [8, 7, 6]),
        ({"keep_daily": "2", "keep_last": "4"}, [8, 7, 6, 5]),
        ({"keep_weekly": 99, "keep_monthly": 99, "keep_yearly": 99, "keep_daily": 8}, [8, 7, 6, 5, 4, 3, 2, 1]),
        ({"keep_last": 3, "older_than": "none"}, [8, 7, 6]),
        ({"keep_last": "none", "older_than": "60h", "keep_daily": "none", "max_deletions": "none"}, [8, 7]),
        ({"older_than": "P2DT12H"}, [8, 7]),
        ({"keep_last": 3, "protect": [99], "fail_on_unmatched_protection": "False"}, [8, 7, 6]),
        ({"keep_last": 3, "only": [1, "2", 7]}, [8, 7, 6, 5, 4, 3]),
        ({"keep_last": 3, "only": "[{'reference': 'MODEL:4', 'reason': 'as planned'}]"}, [8, 7, 6, 5, 3, 2, 1]),
        ({"keep_last": 3, "only": []}, [8, 7, 6, 5, 4, 3, 2, 1]),
        ({"keep_last": 3, "only": [1, 2], "protect": [2]}, [8, 7, 6, 5, 4, 3, 2]),
        ({"older_than": timedelta(days=2, hours=12)}, [8, 7]),
        ({"older_than": "60h"}, [8, 7]),
        ({"keep_last": 2, "older_than": "108h"}, [8, 7, 6, 5]),
        ({"keep_last": 1, "older_than": "1s"}, [8]),
        ({"keep_last": 6, "max_deletions": "2"}, [8, 7, 6, 5, 4, 3]),
        ({"keep_last": 1, "protect": [2, "4"]}, [8, 4, 2]),
        ({"keep_last": 1, "protect": "2, 4"}, [8, 4, 2]),
        ({"keep_last": 1, "protect": "[2, '4']"}, [8, 4, 2]),
        ({"keep_last": 6, "protect": []}, [8, 7, 6, 5, 4, 3]),
        ({"keep_last": 1, "protect_release_notes": "build [23]"}, [8, 3, 2]),
    ],
)
def test_the_parameters_decide_which_versions_remain(
    sandbox: Sandbox, parameters: dict[str, Any], remaining: list[int]
) -> None:
    model = sandbox.new_model(versions=8)
    if isinstance(parameters.get("only"), str):
        parameters = {**parameters, "only": parameters["only"].replace("MODEL", model)}
    report = _clean_up(model, **parameters)
    assert sandbox.numbers(model) == remaining
    assert len(report["deleted"]) == 8 - len(remaining)
    assert json.loads(json.dumps(report)) == report


@pytest.mark.parametrize("dry_run", [True, "True", "true"])
def test_a_dry_run_deletes_nothing(sandbox: Sandbox, dry_run: Any) -> None:
    model = sandbox.new_model(versions=8)
    report = _clean_up(model, keep_last=3, dry_run=dry_run)
    assert len(report["planned"]) == 5
    assert len(sandbox.numbers(model)) == 8


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({}, "without a criterion"),
        ({"keep_last": None, "older_than": "1s"}, "rendered to an empty value"),
        ({"keep_last": 1, "older_than": None}, "rendered to an empty value"),
        ({"keep_last": 1, "protect": None}, "rendered to an empty value"),
        ({"keep_last": 1, "protect_release_notes": None}, "rendered to an empty value"),
        ({"keep_last": 1, "only": None}, "rendered to an empty value"),
        ({"keep_last": 1, "max_deletions": None}, "rendered to an empty value"),
        ({"keep_last": 1, "only": "sha256:" + "ab" * 32}, "it takes versions"),
        ({"keep_last": 1, "only": "other/model:3"}, "another model"),
        ({"only": [1]}, "without a criterion"),
        ({"older_than": "6m"}, "minutes or months"),
        ({"keep_last": "none", "older_than": "none"}, "without a criterion"),
        ({"keep_last": "None", "older_than": "1s"}, "rendered to an empty value"),
        ({"keep_daily": None, "older_than": "1s"}, "rendered to an empty value"),
        ({"keep_daily": 0}, "keep_daily must be at least 1"),
        ({"keep_last": 1, "protect": [99], "fail_on_unmatched_protection": True}, "matched no version"),
        ({"keep_last": 1, "protect_release_notes": "(a|aa)+$X" * 300}, "at most 2000 characters"),
        ({"keep_last": 10**5000}, "an int of"),
        ({"keep_last": 1, "protect": [10**5000]}, "protect contains an int of"),
        ({"keep_last": 1, "protect": "[{[]: 1}]"}, "protect must be a list"),
        ({"keep_last": 1, "protect": "2; 4"}, "names neither a version"),
        ({"keep_last": 1, "protect": "{'reference': 2}"}, "protect must be a list"),
        ({"keep_last": "", "older_than": "1s"}, "rendered to an empty value"),
        ({"keep_last": 1, "older_than": "None"}, "rendered to an empty value"),
        ({"keep_last": 0}, "at least 1"),
        ({"keep_last": "-1"}, "at least 1"),
        ({"keep_last": "five"}, "must be an integer"),
        ({"keep_last": 2.5}, "must be an integer"),
        ({"keep_last": True}, "must be an integer"),
        ({"older_than": "30"}, "such as '30d'"),
        ({"older_than": 30}, "timedelta or text"),
        ({"older_than": timedelta(days=-1)}, "more than zero"),
        ({"keep_last": 1, "protect": "other/model:3"}, "another model"),
        ({"keep_last": 1, "protect": "None"}, "rendered to an empty value"),
        ({"keep_last": 1, "protect": ""}, "rendered to an empty value"),
        ({"keep_last": 1, "protect": 3}, "protect must be a list"),
        ({"keep_last": 1, "protect": "[2,"}, "protect must be a list"),
        ({"keep_last": 1, "protect": [None]}, "expected a version's reference"),
        ({"keep_last": 1, "protect_release_notes": "("}, "must be a regular expression"),
        ({"keep_last": 1, "protect_release_notes": "None"}, "rendered to an empty value"),
        ({"keep_last": 1, "max_deletions": "-1"}, "at least 0"),
        ({"keep_last": 1, "max_deletions": "None"}, "rendered to an empty value"),
        ({"keep_last": 1, "max_deletions": 1}, "2 versions, and max_deletions is 1"),
        ({"max_deletions": 1}, "without a criterion"),
        ({"keep_last": 1, "dry_run": "perhaps"}, "true or false"),
        ({"keep_last": 1, "dry_run": None}, "true or false"),
    ],
)
def test_a_mistake_fails_at_once_and_deletes_nothing(
    sandbox: Sandbox, parameters: dict[str, Any], message: str
) -> None:
    model = sandbox.new_model(versions=3)
    with pytest.raises(AirflowFailException, match=message):
        _clean_up(model, **parameters)
    assert sandbox.numbers(model) == [3, 2, 1]


def test_attributes_set_after_the_operator_was_created_apply(sandbox: Sandbox) -> None:
    model = sandbox.new_model(versions=5)
    operator = WriftAICleanupVersionsOperator(task_id="prune", model=model, keep_last=1)
    operator.protect = [2]  # as a cluster policy does
    operator.execute({})
    assert sandbox.numbers(model) == [5, 2]


@pytest.fixture
def prune_under_way(
    sandbox: Sandbox, faulty: tuple[str, Faults], faults: Faults, monkeypatch: pytest.MonkeyPatch
) -> tuple[WriftAICleanupVersionsOperator, Faults, str]:
    """Return an operator whose deletes never get a response, the faults, and the model."""
    connection = {**sandbox.connection(), "host": f"{faulty[0]}/generation-2/v1"}
    monkeypatch.setenv("AIRFLOW_CONN_WRIFTAI_DEFAULT", json.dumps(connection))
    model = sandbox.new_model(versions=400)
    faults.add([Fault(method="DELETE", execute="last", delay=3600, times=400)])
    return WriftAICleanupVersionsOperator(task_id="prune", model=model, keep_last=1), faults, model


def _act_during_a_delete(faults: Faults, model: str, act: Callable[[], object]) -> threading.Thread:
    def wait() -> None:
        while f"/{model}/" not in faults.events.get(timeout=60).path:
            pass
        act()

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def test_on_kill_stops_the_prune(
    sandbox: Sandbox, prune_under_way: tuple[WriftAICleanupVersionsOperator, Faults, str]
) -> None:
    operator, faults, model = prune_under_way
    thread = _act_during_a_delete(faults, model, operator.on_kill)
    ti: Any = TaskInstance()
    with pytest.raises(PruneStoppedError, match=r"was stopped: 0 of 399 versions had been deleted\.") as caught:
        operator.execute({"ti": ti})
    thread.join()
    assert len(sandbox.numbers(model)) > 300
    report = ti.pushed["return_value"]
    assert (report["planned_count"], report["interrupted_count"]) == (399, len(report["interrupted"]))
    assert report["interrupted_count"] > 0
    assert caught.value.report == report
    assert caught.value.retryable


def test_on_kill_before_the_start_prevents_every_delete(sandbox: Sandbox) -> None:
    model = sandbox.new_model(versions=3)
    operator = WriftAICleanupVersionsOperator(task_id="prune", model=model, keep_last=1)
    operator.on_kill()
    with pytest.raises(PruneStoppedError, match="nothing had been deleted"):
        operator.execute({})
    assert sandbox.numbers(model) == [3, 2, 1]


@pytest.mark.parametrize("state", ["success", "failed", "running", LookupError("no answer")])
def test_a_prune_that_is_marked_as_success_ends_without_an_error(
    prune_under_way: tuple[WriftAICleanupVersionsOperator, Faults, str], state: str | Exception
) -> None:
    """Airflow 3 runs ``on_failure_callback`` if a task raises after it was marked."""
    operator, faults, model = prune_under_way
    thread = _act_during_a_delete(faults, model, operator.on_kill)
    ti: Any = MarkedTaskInstance(state)
    if state == "success":
        assert operator.execute({"ti": ti}) is None
        assert ti.pushed["return_value"]["planned_count"] == 399
    else:
        # Airflow refuses to retry a task that was marked as failed, and would not run its callback.
        with pytest.raises(AirflowFailException if state == "failed" else PruneStoppedError, match="stopped"):
            operator.execute({"ti": ti})
    thread.join()
    assert ti.pushed["return_value"]["deleted_count"] == 0


def test_a_prune_that_airflow_has_replaced_leaves_the_report_of_the_later_try(
    prune_under_way: tuple[WriftAICleanupVersionsOperator, Faults, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Airflow accepts the XComs of a try whose heartbeats had stopped, and that was stopped late."""
    monkeypatch.setattr(task_marks, "find_last_try", lambda ti: None)
    operator, faults, model = prune_under_way
    thread = _act_during_a_delete(faults, model, operator.on_kill)
    ti: Any = MarkedTaskInstance("success")
    context: Any = {"ti": ti, "task_state_store": TaskStateStore(APIServerError(404))}
    with pytest.raises(PruneStoppedError, match="stopped"):
        operator.execute(context)
    thread.join()
    assert "return_value" not in ti.pushed


def test_a_prune_that_airflow_has_replaced_returns_no_report(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(task_marks, "find_last_try", lambda ti: None)
    model = sandbox.new_model(versions=3)
    ti: Any = TaskInstance()
    context: Any = {"ti": ti, "task_state_store": TaskStateStore(APIServerError(404))}
    operator = WriftAICleanupVersionsOperator(task_id="prune", model=model, keep_last=2)
    assert operator.execute(context) is None
    assert "return_value" not in ti.pushed
    assert sandbox.numbers(model) == [3, 2]
    assert "Airflow has replaced this try" in caplog.text


def test_an_exception_from_a_signal_handler_stops_the_prune(
    sandbox: Sandbox, prune_under_way: tuple[WriftAICleanupVersionsOperator, Faults, str]
) -> None:
    class TimeIsUpError(BaseException):
        pass

    def raise_error(*_: object) -> None:
        raise TimeIsUpError

    operator, faults, model = prune_under_way
    previous = signal.signal(signal.SIGUSR1, raise_error)
    try:
        thread = _act_during_a_delete(faults, model, lambda: os.kill(os.getpid(), signal.SIGUSR1))
        ti: Any = TaskInstance()
        with pytest.raises(TimeIsUpError):
            operator.execute({"ti": ti})
        thread.join()
    finally:
        signal.signal(signal.SIGUSR1, previous)
    assert len(sandbox.numbers(model)) > 300
    assert ti.pushed["return_value"]["planned_count"] == 399


def test_a_failed_prune_pushes_its_report_all_the_same(sandbox: Sandbox) -> None:
    model = sandbox.new_model(versions=4)
    ti: Any = TaskInstance()
    operator = WriftAICleanupVersionsOperator(task_id="prune", model=model, keep_last=1, max_deletions=2)
    with pytest.raises(AirflowFailException):
        operator.execute({"ti": ti})
    assert len(ti.pushed["return_value"]["planned"]) == 3


def test_a_criterion_that_another_task_left_empty_is_a_mistake(sandbox: Sandbox) -> None:
    model = sandbox.new_model(versions=3)
    operator = WriftAICleanupVersionsOperator(task_id="prune", model=model, keep_last=2, older_than="1s")
    operator.keep_last = None  # as rendering a missing XCom does
    with pytest.raises(AirflowFailException, match="rendered to an empty value"):
        operator.execute({})
    assert sandbox.numbers(model) == [3, 2, 1]


def test_versions_as_tasks_return_them_are_protected(sandbox: Sandbox) -> None:
    model = sandbox.new_model(versions=4)
    pinned = {"reference": f"{model}:2", "release_notes": "in production"}
    report = _clean_up(model, keep_last=1, protect=[pinned])
    assert sandbox.numbers(model) == [4, 2]
    assert [entry["reference"] for entry in report["protected"]] == [f"{model}:2"]


def test_a_retryable_error_is_left_to_airflows_retries() -> None:
    with pytest.raises(NotFoundError):
        _clean_up("acme/not-made-yet", keep_last=1)


def test_a_mapped_task_depends_on_the_tasks_that_provide_its_values() -> None:
    with DAG("mapped", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)):

        @task
        def provide() -> Any:
            return None

        values = {name: provide.override(task_id=name)() for name in ("keep_last", "older_than", "dry_run")}
        prune = WriftAICleanupVersionsOperator.partial(task_id="prune", **values).expand(model=["a/b", "a/c"])
    assert prune.upstream_task_ids == set(values)
