from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from types import MappingProxyType, SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest
from airflow.triggers.base import TaskSuccessEvent

from airflow_provider_wriftai._airflow.compat import TRIGGERS_END_TASKS
from airflow_provider_wriftai.client.backoff import Backoff
from airflow_provider_wriftai.domain.results import version_result
from airflow_provider_wriftai.domain.waiting import poll_interval
from airflow_provider_wriftai.triggers import versions
from airflow_provider_wriftai.triggers.versions import WriftAIStartedVersionTrigger, WriftAIVersionTrigger
from tests.support.sandbox import Sandbox

needs_airflow_3_3 = pytest.mark.skipif(not TRIGGERS_END_TASKS, reason="before Airflow 3.3, workers end every task")


@pytest.fixture(autouse=True)
def _connection(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_WRIFTAI_DEFAULT", json.dumps(sandbox.connection()))
    monkeypatch.setattr(poll_interval, "SHORTEST_INTERVAL", 0.0)


def _trigger(version: str, seconds: float = 60, **arguments: Any) -> WriftAIVersionTrigger:
    return WriftAIVersionTrigger(
        **{
            "criteria": {"version": version},
            "poll_interval": 0.01,
            "deadline": datetime.now(UTC) + timedelta(seconds=seconds),
            "max_consecutive_failures": 1,
            **arguments,
        }
    )


def _started(**arguments: Any) -> WriftAIStartedVersionTrigger:
    return WriftAIStartedVersionTrigger(
        **{
            "poll_interval": 0.01,
            "timeout": 60.0,
            "deferral_timeout": 1000.0,
            "max_consecutive_failures": 1,
            **arguments,
        }
    )


def _events(trigger: WriftAIVersionTrigger | WriftAIStartedVersionTrigger) -> list[Any]:
    async def run() -> list[Any]:
        return [event async for event in trigger.run()]

    return asyncio.run(run())


def _payload(trigger: WriftAIVersionTrigger | WriftAIStartedVersionTrigger) -> Any:
    (event,) = _events(trigger)
    return event.payload


@pytest.mark.parametrize(
    "trigger",
    [
        _trigger("acme/det:1", end_from_trigger=True, hold=3),
        _started(version="{{ params.version }}", image={"digest": "{{ ds }}"}, max_wait=5, exponential_backoff=True),
    ],
)
def test_a_trigger_is_created_again_from_its_serialization(sandbox: Sandbox, trigger: Any) -> None:
    path, kwargs = trigger.serialize()
    assert path == f"airflow_provider_wriftai.triggers.versions.{type(trigger).__name__}"
    assert type(trigger)(**json.loads(json.dumps(kwargs))).serialize() == (path, kwargs)
    assert sandbox.token not in json.dumps(kwargs)


def test_one_event_when_the_version_exists(sandbox: Sandbox) -> None:
    model = sandbox.new_model(versions=1)
    event = _payload(_trigger(f"{model}:1"))
    assert (event["status"], event["base_url"]) == ("ready", sandbox.base_url())
    assert event["version"]["reference"] == f"{model}:1"
    assert set(event["version"]) <= {
        "reference", "number", "release_notes", "created_at", "container_image_digest", "size",
    }  # fmt: skip


def test_a_deadline_that_has_passed_still_allows_one_poll(sandbox: Sandbox) -> None:
    model = sandbox.new_model(versions=1)
    assert _payload(_trigger(f"{model}:1", seconds=-60))["status"] == "ready"
    event = _payload(_trigger(f"{model}:2", seconds=-60))
    assert (event["status"], "and 1 poll in this triggerer." in event["message"]) == ("timeout", True)


def test_a_bad_token_is_final(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_WRIFTAI_DEFAULT", json.dumps(sandbox.connection(password="wrong-token")))
    event = _payload(_trigger("acme/det:1"))
    assert (event["status"], event["final"]) == ("failed", True)
    assert "wrong-token" not in event["message"]


def test_a_service_that_is_down_may_come_back(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Backoff, "delay", lambda self, attempt: 0.0)
    monkeypatch.setenv("AIRFLOW_CONN_WRIFTAI_DEFAULT", json.dumps(sandbox.connection(host="http://127.0.0.1:1")))
    event = _payload(_trigger("acme/det:1"))
    assert (event["status"], event["final"]) == ("failed", False)


def test_a_connection_that_cannot_be_looked_up_counts_as_a_failed_poll() -> None:
    event = _payload(_trigger("acme/det:1", wriftai_conn_id="deleted", max_consecutive_failures=0))
    assert event["status"] == "failed"
    assert "Connection 'deleted' does not exist" in event["message"]
    event = _payload(_trigger("acme/det:1", wriftai_conn_id="deleted", max_consecutive_failures=None, seconds=0.05))
    assert event["status"] == "timeout"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"criteria": {"version": "acme/det"}}, "'owner/name:number'"),
        ({"criteria": {"model": "acme/det"}}, "No criterion"),
        ({"criteria": {"version": "acme/det:1", "min_size": 3}}, "'min_size', which this version of the provider"),
        ({"criteria": "acme/det:1"}, "must be a mapping"),
        ({"deadline": "2026-01-01T00:00:00"}, "deadline must be a time with a time zone"),
        ({"deadline": datetime(2026, 1, 1)}, "deadline must be a time with a time zone"),  # noqa: DTZ001
        ({"deadline": 7}, "deadline must be a time with a time zone"),
        ({"poll_interval": "often"}, "poll_interval must be a number of seconds"),
        ({"poll_interval": -1}, "poll_interval must be a number of seconds"),
        ({"max_wait": True}, "max_wait must be a number of seconds"),
        ({"max_consecutive_failures": "many"}, "max_consecutive_failures must be an integer"),
    ],
)
def test_arguments_are_checked_at_once(arguments: dict[str, Any], message: str) -> None:
    # A TypeError, because a triggerer survives no other error when it creates a trigger.
    with pytest.raises(TypeError, match=message):
        _trigger("acme/det:1", **arguments)


def test_arguments_become_plain_json() -> None:
    trigger = _trigger(
        "acme/det:1",
        criteria=MappingProxyType({"version": "acme/det:1"}),
        poll_interval=timedelta(seconds=30),
        max_wait=timedelta(minutes=5),
        hold=timedelta(seconds=3),
    )
    kwargs = trigger.serialize()[1]
    assert json.loads(json.dumps(kwargs)) == kwargs
    assert (kwargs["poll_interval"], kwargs["max_wait"], kwargs["hold"]) == (30.0, 300.0, 3.0)
    assert kwargs["criteria"] == {"version": "acme/det:1"}


def test_a_task_does_not_go_back_to_a_worker_before_its_hold(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    model = sandbox.new_model(versions=1)
    pauses: list[float] = []
    sleep = asyncio.sleep

    async def record_pause(seconds: float, *arguments: Any) -> Any:
        pauses.append(seconds)
        return await sleep(0, *arguments)

    monkeypatch.setattr(asyncio, "sleep", record_pause)
    held = _trigger(f"{model}:1", hold=1000.0)
    assert _payload(held)["status"] == "ready"
    # `airflow dags test` runs the trigger without an executor that could report anything.
    assert max(pauses) < 900
    held.task_instance = SimpleNamespace(task_id="wait")  # type: ignore[assignment]
    assert _payload(held)["status"] == "ready"
    assert 900 < max(pauses) <= 1000
    pauses.clear()
    assert _payload(_started(version=f"{model}:1"))["status"] == "ready"
    # No executor reports on a task that started in the triggerer.
    assert max(pauses) < 900


@pytest.fixture
def stored(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Return what the triggerer stores."""
    values: dict[str, Any] = {}

    def store(task_instance: Any, key: str, value: object, *, through_backend: bool = True) -> None:
        assert task_instance.task_id == "wait"
        assert through_backend == (key == "return_value")
        values[key] = value

    monkeypatch.setattr(versions, "store_xcom", store)
    return values


def _task_instance(**attributes: Any) -> Any:
    return SimpleNamespace(task_id="wait", dag_id="d", run_id="r", map_index=-1, **attributes)


@needs_airflow_3_3
@pytest.mark.parametrize("do_xcom_push", [True, False])
def test_a_trigger_ends_its_task(sandbox: Sandbox, stored: dict[str, Any], do_xcom_push: bool) -> None:
    model = sandbox.new_model(versions=1)
    expected = _payload(_trigger(f"{model}:1"))["version"]
    trigger = _trigger(f"{model}:1", end_from_trigger=True, do_xcom_push=do_xcom_push, hold=1000.0)
    trigger.task_instance = _task_instance()
    (event,) = _events(trigger)
    assert isinstance(event, TaskSuccessEvent)
    assert stored.pop("return_value", None) == (expected if do_xcom_push else None)
    (link,) = stored.values()
    assert model in link


@needs_airflow_3_3
@pytest.mark.parametrize("breaks", ["store", "task"])
def test_a_worker_ends_the_task_if_the_trigger_cannot(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, breaks: str
) -> None:
    def fail(*arguments: Any, **values: Any) -> None:
        raise RuntimeError("the supervisor is gone")

    monkeypatch.setattr(versions, "store_xcom" if breaks == "store" else "find_reason_for_worker", fail)
    model = sandbox.new_model(versions=1)
    task = SimpleNamespace(template_ext=(), template_fields=())
    trigger = _started(version=f"{model}:1", end_from_trigger=True)
    trigger.task_instance = _task_instance(**({} if breaks == "store" else {"task": task}))
    assert _payload(trigger)["status"] == "ready"


@needs_airflow_3_3
@pytest.mark.usefixtures("stored")
def test_the_worker_that_deferred_a_task_decides_where_it_ends(sandbox: Sandbox) -> None:
    trigger = _trigger(f"{sandbox.new_model(versions=1)}:1", end_from_trigger=True)
    # What the triggerer knows of a mapped task lacks most attributes of an operator.
    trigger.task_instance = _task_instance(task=SimpleNamespace(template_ext=(), template_fields=()))
    (event,) = _events(trigger)
    assert isinstance(event, TaskSuccessEvent)


def test_a_wait_that_starts_in_the_triggerer_parses_what_its_sensor_would(sandbox: Sandbox) -> None:
    model = sandbox.new_model(versions=2)
    assert _payload(_started(version=f"{model}:2"))["version"]["reference"] == f"{model}:2"
    assert _payload(_started(model=model, newer_than="1"))["version"]["reference"] == f"{model}:2"
    for arguments, message in [
        ({}, "Nothing to wait for"),
        ({"version": "None"}, "version must be an id"),
        ({"version": "acme/det"}, "owner/name:number"),
        ({"model": model, "newer_than": ""}, "newer_than must be"),
        ({"model": model, "release_notes": "("}, "must be a regular expression"),
        ({"version": f"{model}:2", "max_consecutive_failures": "many"}, "must be an integer"),
    ]:
        event = _payload(_started(**arguments))
        assert (event["status"], event["final"]) == ("failed", True)
        assert message in event["message"]


def test_a_wait_that_started_in_the_triggerer_survives_a_restart(sandbox: Sandbox, schemas: Any) -> None:
    """The trigger derives its start from the timeout of the deferral, which Airflow stores."""
    model = sandbox.new_model(versions=1)
    trigger = _started(model=model, newer_than="start")
    began = datetime.now(UTC) - timedelta(seconds=50)
    vars(trigger)["timeout_after"] = began + timedelta(seconds=1000)
    sandbox.store.create_version(
        *model.split("/"), release_notes="x", schemas=schemas, container_image_digest="sha256:" + "ab" * 32
    )
    assert _payload(trigger)["version"]["reference"] == f"{model}:2"
    late = _started(version=f"{model}:3")
    vars(late)["timeout_after"] = began + timedelta(seconds=1000 - 60)
    event = _payload(late)
    assert (event["status"], "and 1 poll in this triggerer." in event["message"]) == ("timeout", True)


@needs_airflow_3_3
@pytest.mark.parametrize(
    ("version", "message"),
    [
        ("{{ ti.xcom_pull(task_ids='publish') }}", "uses ti, which the triggerer cannot provide"),
        ("{{ task_instance.xcom_pull() }}", "uses task_instance"),
        ("{{ var.value.version }}", "uses var"),
        ("{% include 'file' %}", "uses another template"),
        (
            "{{ params.version",
            "not a valid Jinja template: unexpected end of template, expected 'end of print statement'.",
        ),
        ("{{ params.version | mine }}", "in the triggerer: No filter named 'mine'. Set start_from_trigger=False."),
        ("{{ params.version.nothing.here }}", "could not be rendered"),
    ],
)
def test_a_template_that_would_hang_the_triggerer_is_never_rendered(version: str, message: str) -> None:
    trigger = _started(version=version)
    trigger.template_fields = ("version",)
    context: Any = {"params": {}, "ti": None, "task_instance": None, "var": None}
    trigger.render_template_fields(context)
    event = _payload(trigger)
    assert (event["status"], event["final"]) == ("failed", True)
    assert message in event["message"]


@needs_airflow_3_3
@pytest.mark.parametrize("value", [None, "", "x", -1])
def test_an_invalid_limit_of_failures_fails_the_wait(value: Any) -> None:
    event = _payload(_started(version="acme/det:1", max_consecutive_failures=value))
    assert (event["status"], event["final"]) == ("failed", True)
    assert event["message"].startswith("max_consecutive_failures must be an integer")


def test_a_limit_of_failures_that_is_not_set_is_not_serialized() -> None:
    trigger = WriftAIStartedVersionTrigger(poll_interval=1, timeout=1, deferral_timeout=2, version="acme/det:1")
    assert "max_consecutive_failures" not in trigger.serialize()[1]


def test_an_interval_that_is_too_short_is_reported(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(poll_interval, "SHORTEST_INTERVAL", 0.02)
    log = MagicMock()
    monkeypatch.setattr(WriftAIStartedVersionTrigger, "log", log)
    assert _payload(_started(version=f"{sandbox.new_model(versions=1)}:1"))["status"] == "ready"
    log.warning.assert_called_once_with(
        "poke_interval is %g s, which is too short. Polling every %g s instead.", 0.01, 0.02
    )


@needs_airflow_3_3
def test_templates_of_the_run_are_rendered(sandbox: Sandbox) -> None:
    model = sandbox.new_model(versions=2)
    trigger = _started(version="{{ params.model }}:2")
    trigger.template_fields = ("version",)
    context: Any = {"params": {"model": model}}
    trigger.render_template_fields(context)
    assert _payload(trigger)["version"]["reference"] == f"{model}:2"


def test_the_result_is_that_of_a_worker(sandbox: Sandbox) -> None:
    from airflow_provider_wriftai.client.api import API
    from airflow_provider_wriftai.client.references import parse_version
    from airflow_provider_wriftai.domain.waiting.criteria import Criteria
    from airflow_provider_wriftai.domain.waiting.sync_wait import SyncWait

    model = sandbox.new_model(versions=1)
    with API(sandbox.base_url(), sandbox.token) as api:
        found = SyncWait(Criteria(version=parse_version(f"{model}:1")), 0, datetime.now(UTC)).poll(api)
    assert found is not None
    for trigger in (_trigger(f"{model}:1"), _started(version=f"{model}:1")):
        assert json.dumps(_payload(trigger)["version"]) == json.dumps(version_result(found))


def test_a_trigger_reports_metrics_to_airflow(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[str] = []
    reported: list[tuple[str, float]] = []
    metrics = "airflow_provider_wriftai._airflow.metrics"
    monkeypatch.setattr(f"{metrics}.count", lambda name, number=1: counted.append(name))
    monkeypatch.setattr(f"{metrics}.gauge", lambda name, value: reported.append((name, value)))
    assert _payload(_trigger(f"{sandbox.new_model(versions=1)}:1"))["status"] == "ready"
    assert counted == ["wait.polls.ok", "wait.ready"]
    assert reported == [("wait.open", 1), ("wait.open", 0)]
