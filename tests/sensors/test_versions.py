from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from airflow import DAG

from airflow_provider_wriftai._airflow import task_marks
from airflow_provider_wriftai._airflow.compat import (
    TRIGGERS_END_TASKS,
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    AirflowTaskTimeout,
    Asset,
    PokeReturnValue,
    TaskDeferred,
)
from airflow_provider_wriftai.domain.waiting import poll_interval
from airflow_provider_wriftai.domain.waiting.errors import WaitFailedError
from airflow_provider_wriftai.links.versions import WriftAIVersionLink
from airflow_provider_wriftai.sensors import versions
from airflow_provider_wriftai.sensors.versions import WriftAIVersionSensor
from airflow_provider_wriftai.triggers.versions import WriftAIStartedVersionTrigger, WriftAIVersionTrigger
from tests.support.marked_task_instance import APIServerError, TaskStateStore
from tests.support.sandbox import Sandbox


@pytest.fixture(autouse=True)
def _connection(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_WRIFTAI_DEFAULT", json.dumps(sandbox.connection()))


@pytest.fixture(autouse=True)
def _without_delays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(poll_interval, "SHORTEST_INTERVAL", 0.0)
    monkeypatch.setattr(versions, "REPORT_HOLD", 0.0)


def _make_sensor(**parameters: Any) -> WriftAIVersionSensor:
    return WriftAIVersionSensor(task_id="wait", **parameters)


def _sensor(version: Any, **parameters: Any) -> WriftAIVersionSensor:
    return _make_sensor(version=version, **parameters)


def _wait(sensor: WriftAIVersionSensor) -> Any:
    """Run a sensor to its end, and return the version. If it defers, run its trigger and resume with the event."""
    result = _execute(sensor)
    return getattr(result, "xcom_value", result)


def _execute(sensor: WriftAIVersionSensor) -> Any:
    try:
        return sensor.execute({})
    except TaskDeferred as deferral:
        path, kwargs = deferral.trigger.serialize()
        assert path == f"{WriftAIVersionTrigger.__module__}.{WriftAIVersionTrigger.__qualname__}"
        trigger = WriftAIVersionTrigger(**json.loads(json.dumps(kwargs)))

        async def first_event() -> Any:
            return await anext(trigger.run())

        event = asyncio.run(first_event())
        return sensor.resume_execution(deferral.method_name, {"event": json.loads(json.dumps(event.payload))}, {})


@pytest.fixture(params=["poke", "deferrable"])
def mode(request: pytest.FixtureRequest) -> dict[str, Any]:
    return {"deferrable": request.param == "deferrable", "mode": "poke"}


def test_a_version_that_exists_is_returned_at_once(sandbox: Sandbox, mode: dict[str, Any]) -> None:
    model = sandbox.new_model(versions=2)
    result = _sensor(f"{model}:2", end_from_trigger=False, **mode).execute({})
    version = getattr(result, "xcom_value", result)
    assert version["reference"] == f"{model}:2"
    assert version["release_notes"] == "Nightly build 2"


def _publish(sandbox: Sandbox, model: str, notes: str = "x", image: int = 0) -> None:
    sandbox.store.create_version(
        *model.split("/"), release_notes=notes, schemas={}, container_image_digest=f"sha256:{image:064x}"
    )


@pytest.fixture
def publish_after(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function that publishes a version of a model after a number of polls."""
    polls: Counter[str] = Counter()
    due: dict[tuple[str, int], Callable[[], object]] = {}
    record_request = sandbox.store.record_request

    def record(caller: str, method: str, path: str, status: int) -> None:
        record_request(caller, method, path, status)
        polls[path.rpartition("/v1")[2]] += 1
        for (model, times), publish in list(due.items()):
            if polls[f"/models/{model}/versions"] >= times:
                del due[model, times]
                publish()

    monkeypatch.setattr(sandbox.store, "record_request", record)

    def schedule(times: int, model: str, notes: str = "x", image: int = 0) -> None:
        due[model, times] = lambda: _publish(sandbox, model, notes, image)

    return schedule


def test_a_version_that_appears_ends_the_wait(
    sandbox: Sandbox, mode: dict[str, Any], publish_after: Callable[..., None]
) -> None:
    model = sandbox.new_model(versions=1)
    publish_after(3, model, image=7)
    version = _wait(_sensor(f"{model}:2", poke_interval=0.01, timeout=60, **mode))
    assert version["container_image_digest"] == f"sha256:{7:064x}"


@pytest.mark.parametrize(
    "criteria",
    [
        {"newer_than": "start"},
        {"newer_than": 2},
        {"newer_than": "MODEL:2"},
        {"newer_than": {"reference": "MODEL:2"}},
        {"image": f"sha256:{7:064x}"},
        {"image": {"containerimage.digest": f"sha256:{7:064x}"}},
        {"release_notes": "^rel"},
        {"newer_than": "start", "image": f"registry.example/det@sha256:{7:064x}", "release_notes": "^rel"},
    ],
)
def test_a_version_that_meets_the_criteria_ends_the_wait(
    sandbox: Sandbox, mode: dict[str, Any], publish_after: Callable[..., None], criteria: dict[str, Any]
) -> None:
    model = sandbox.new_model(versions=2)
    publish_after(2, model, "release 1", image=7)
    criteria = json.loads(json.dumps(criteria).replace("MODEL", model))
    version = _wait(_make_sensor(model=model, poke_interval=0.01, timeout=60, **criteria, **mode))
    assert version["reference"] == f"{model}:3"


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({}, "Nothing to wait for"),
        ({"model": "acme/det"}, "No criterion"),
        ({"model": "acme", "newer_than": "start"}, "'owner/name'"),
        ({"newer_than": "start"}, "Nothing to wait for"),
        ({"model": "acme/det", "newer_than": None}, "newer_than must be"),
        ({"model": "acme/det", "newer_than": "None"}, "newer_than must be"),
        ({"model": "acme/det", "release_notes": ""}, "rendered to an empty value"),
        ({"model": "acme/det", "release_notes": None}, "rendered to an empty value"),
        ({"model": "acme/det", "image": ""}, "image is empty"),
        ({"model": "acme/det", "image": None}, "image"),
        ({"model": None, "newer_than": "start"}, "model"),
        ({"version": "acme/det:1", "newer_than": "start", "model": "acme/det"}, "no further criteria"),
        ({"version": "acme/det:1", "model": "acme/other"}, "acme/other"),
        ({"version": "acme/det:1", "max_consecutive_failures": "many"}, "must be an integer"),
    ],
)
def test_a_mistake_fails_at_once(mode: dict[str, Any], parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(AirflowFailException, match=message):
        _wait(_make_sensor(**parameters, **mode))


def test_a_version_may_be_the_result_of_another_task(sandbox: Sandbox, mode: dict[str, Any]) -> None:
    model = sandbox.new_model(versions=1)
    version = _wait(_sensor({"reference": f"{model}:1", "release_notes": "x"}, **mode))
    assert version["reference"] == f"{model}:1"


def test_a_version_that_was_deleted_fails_at_once(sandbox: Sandbox, mode: dict[str, Any]) -> None:
    model = sandbox.new_model(versions=3)
    sandbox.delete(model, 2)
    with pytest.raises(AirflowFailException, match="never will"):
        _wait(_sensor(f"{model}:2", **mode))


DOWN = {"host": "http://127.0.0.1:1", "extra": {"retry_attempts": 1}}


def test_retryable_failures_are_counted(
    sandbox: Sandbox, mode: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_WRIFTAI_DEFAULT", json.dumps(sandbox.connection(**DOWN)))
    with pytest.raises(WaitFailedError, match=r"3 polls in a row for acme/det:1 failed.* The last error: ") as caught:
        _wait(_sensor("acme/det:1", poke_interval=0.01, max_consecutive_failures="2", soft_fail=True, **mode))
    assert sandbox.token not in str(caught.value)


def test_with_silent_fail_failures_are_not_counted(
    sandbox: Sandbox, mode: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_WRIFTAI_DEFAULT", json.dumps(sandbox.connection(**DOWN)))
    with pytest.raises(AirflowSensorTimeout, match="The last poll failed: "):
        _wait(_sensor("acme/det:1", poke_interval=0.01, timeout=0.3, silent_fail=True, **mode))


def _poke_once(store: TaskStateStore, max_tries: int = 0, try_number: int = 1, **parameters: Any) -> Any:
    """Poll once, as the process of a rescheduled task does."""
    sensor = _make_sensor(**{"mode": "reschedule", **parameters})
    ti = SimpleNamespace(max_tries=max_tries, task=sensor, try_number=try_number)
    context: Any = {"ti": ti, "task_state_store": store}
    return sensor.poke(context)


def test_a_rescheduled_wait_keeps_its_start(sandbox: Sandbox, publish_after: Callable[..., None]) -> None:
    model = sandbox.new_model(versions=2)
    store = TaskStateStore()
    assert not _poke_once(store, model=model, newer_than="start").is_done
    publish_after(1, model)
    assert not _poke_once(store, model=model, newer_than="start").is_done
    assert _poke_once(store, model=model, newer_than="start").xcom_value["reference"] == f"{model}:3"


def test_a_try_that_airflow_has_replaced_returns_no_version(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would overwrite the version that the later try has found."""
    monkeypatch.setattr(task_marks, "find_last_try", lambda ti: None)
    model = sandbox.new_model(versions=1)
    unknown = _poke_once(TaskStateStore(APIServerError(500)), version=f"{model}:1")
    assert unknown.xcom_value["reference"] == f"{model}:1"
    replaced = _poke_once(TaskStateStore(APIServerError(404)), version=f"{model}:1")
    assert (replaced.is_done, replaced.xcom_value) == (True, None)


def test_a_wait_that_a_user_cleared_starts_over(sandbox: Sandbox) -> None:
    model = sandbox.new_model(versions=2)
    store = TaskStateStore()
    assert not _poke_once(store, model=model, newer_than="start").is_done
    _publish(sandbox, model)
    assert not _poke_once(store, max_tries=1, model=model, newer_than="start").is_done


def test_a_rescheduled_wait_counts_failures_over_its_processes(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_WRIFTAI_DEFAULT", json.dumps(sandbox.connection(**DOWN)))
    store = TaskStateStore()
    for _ in range(2):
        assert not _poke_once(store, version="acme/det:1", max_consecutive_failures=2).is_done
    with pytest.raises(WaitFailedError, match="3 polls in a row"):
        _poke_once(store, version="acme/det:1", max_consecutive_failures=2)


def test_a_retry_keeps_the_start_and_counts_failures_anew(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    model = sandbox.new_model(versions=2)
    modes: tuple[dict[str, Any], ...] = ({"mode": "reschedule"}, {"mode": "poke"}, {"deferrable": True})
    for parameters in modes:
        store = TaskStateStore()
        arguments: dict[str, Any] = {"model": model, "newer_than": "start", "max_consecutive_failures": 0, **parameters}
        assert not _poke_once(store, **arguments).is_done
        with monkeypatch.context() as outage:
            outage.setenv("AIRFLOW_CONN_WRIFTAI_DEFAULT", json.dumps(sandbox.connection(**DOWN)))
            with pytest.raises(WaitFailedError):
                _poke_once(store, **arguments)
        newest = len(sandbox.numbers(model)) + 1
        _publish(sandbox, model)
        found = _poke_once(store, try_number=2, **arguments)
        assert found.xcom_value["reference"] == f"{model}:{newest}"


@pytest.mark.parametrize("parameters", [{"mode": "reschedule"}, {"mode": "poke"}, {"deferrable": True}])
@pytest.mark.parametrize("failures", [0, 5])
def test_a_wait_begins_before_a_first_poll_that_fails(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, parameters: dict[str, Any], failures: int
) -> None:
    """This holds within a try, and in the retry if the failure ends the try."""
    model, store = sandbox.new_model(versions=2), TaskStateStore()
    arguments = {"model": model, "newer_than": "start", "max_consecutive_failures": failures, **parameters}
    with monkeypatch.context() as outage:
        outage.setenv("AIRFLOW_CONN_WRIFTAI_DEFAULT", json.dumps(sandbox.connection(**DOWN)))
        with nullcontext() if failures else pytest.raises(WaitFailedError):
            _poke_once(store, **arguments)
    _publish(sandbox, model)
    found = _poke_once(store, try_number=1 if failures else 2, **arguments)
    assert found.xcom_value["reference"] == f"{model}:3"


@pytest.mark.parametrize(
    "parameters", [{}, {"end_from_trigger": False}, {"soft_fail": True}, {"silent_fail": True}, {"timeout": 0}]
)
@pytest.mark.parametrize("connection", ["no_such", "aws_default", " "])
def test_a_connection_that_cannot_be_used_fails_at_once(
    mode: dict[str, Any], monkeypatch: pytest.MonkeyPatch, parameters: dict[str, Any], connection: str
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", "aws://AKIA:SECRET@")
    message = "does not exist|its type is 'aws'|wriftai_conn_id is empty"
    with pytest.raises(AirflowFailException, match=message):
        _sensor("acme/det:1", wriftai_conn_id=connection, **parameters, **mode).execute({})


def test_without_a_store_a_rescheduled_wait_for_newer_versions_is_refused() -> None:
    with pytest.raises(AirflowFailException, match=r"before Airflow 3\.3"):
        _make_sensor(model="acme/det", newer_than="start", mode="reschedule").execute({})


def test_a_timeout_fails(sandbox: Sandbox, mode: dict[str, Any]) -> None:
    with pytest.raises(AirflowSensorTimeout):
        _wait(_sensor(f"{sandbox.new_model()}:1", timeout=0, poke_interval=0, **mode))


def test_a_timeout_with_soft_fail_skips(sandbox: Sandbox, mode: dict[str, Any]) -> None:
    with pytest.raises(AirflowSkipException):
        _wait(_sensor(f"{sandbox.new_model()}:1", timeout=0, poke_interval=0, soft_fail=True, **mode))


@pytest.mark.parametrize("version", ["acme/det", "..", "acme/det:zero"])
@pytest.mark.parametrize("soft_fail", [True, False])
def test_a_bad_reference_fails_at_once_with_and_without_soft_fail(
    mode: dict[str, Any], version: str, soft_fail: bool
) -> None:
    with pytest.raises(AirflowFailException):
        _wait(_sensor(version, soft_fail=soft_fail, **mode))


@pytest.mark.parametrize("version", [None, "None", "", 12, True, ["acme/det:1"]])
def test_a_version_that_another_task_did_not_return_fails_at_once(mode: dict[str, Any], version: Any) -> None:
    with pytest.raises(AirflowFailException, match="Check that the task it comes from"):
        _wait(_sensor(version, **mode))


@pytest.mark.parametrize(
    ("reason", "parameters", "error"),
    [
        ("Trigger timeout", {}, AirflowSensorTimeout),
        ("Trigger timeout", {"soft_fail": True}, AirflowSkipException),
        ("Trigger failure", {}, WaitFailedError),
        ("Trigger failure", {"soft_fail": True}, WaitFailedError),
        ("Trigger failure", {"never_fail": True}, AirflowSkipException),
    ],
)
def test_a_trigger_that_ended_without_an_event_ends_the_task(
    reason: str, parameters: Any, error: type[Exception]
) -> None:
    with pytest.raises(error):
        _sensor("acme/det:1", **parameters).resume_execution("__fail__", {"error": reason, "traceback": ["x"]}, {})


def test_a_wrong_token_fails_at_once(sandbox: Sandbox, mode: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_WRIFTAI_DEFAULT", json.dumps(sandbox.connection(password="wrong-token")))
    with pytest.raises(AirflowFailException, match="401") as caught:
        _wait(_sensor(f"{sandbox.new_model()}:1", soft_fail=True, **mode))
    assert "wrong-token" not in str(caught.value)


def test_never_fail_skips_on_anything(mode: dict[str, Any]) -> None:
    with pytest.raises(AirflowSkipException):
        _wait(_sensor("acme/det", never_fail=True, **mode))


@pytest.mark.parametrize(
    ("event", "parameters", "error"),
    [
        ({"status": "timeout", "message": "late"}, {}, AirflowSensorTimeout),
        ({"status": "timeout", "message": "late"}, {"soft_fail": True}, AirflowSkipException),
        ({"status": "timeout", "message": "late"}, {"never_fail": True}, AirflowSkipException),
        ({"status": "failed", "message": "no", "final": True}, {}, AirflowFailException),
        ({"status": "failed", "message": "no", "final": True}, {"soft_fail": True}, AirflowFailException),
        ({"status": "failed", "message": "no", "final": True}, {"never_fail": True}, AirflowSkipException),
        ({"status": "failed", "message": "no", "final": False}, {}, WaitFailedError),
        ({"status": "failed", "message": "no", "final": False}, {"soft_fail": True}, WaitFailedError),
        ({"status": "unheard of"}, {}, WaitFailedError),
        ({"status": "ready"}, {}, WaitFailedError),
        ({"status": "ready", "version": {}, "base_url": ""}, {}, WaitFailedError),
        ({"status": "unheard of"}, {"soft_fail": True}, WaitFailedError),
        (None, {}, WaitFailedError),
    ],
)
def test_an_event_that_is_not_a_version_ends_the_task_with_an_error(
    event: Any, parameters: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        _sensor("acme/det:1", **parameters).resume_execution("execute_complete", {"event": event}, {})


def _defer(sensor: WriftAIVersionSensor) -> TaskDeferred:
    with pytest.raises(TaskDeferred) as caught:
        sensor.execute({})
    return caught.value


needs_airflow_3_3 = pytest.mark.skipif(not TRIGGERS_END_TASKS, reason="before Airflow 3.3, workers end every task")


class _SensorWithOwnEnd(WriftAIVersionSensor):
    def execute_complete(self, context: Any, event: Any = None) -> Any:
        return "mine"


@pytest.mark.parametrize(
    ("parameters", "ends"),
    [
        ({}, TRIGGERS_END_TASKS),
        ({"do_xcom_push": False}, TRIGGERS_END_TASKS),
        ({"end_from_trigger": False}, False),
        ({"on_success_callback": lambda context: None}, False),
        ({"post_execute": lambda context, result: None}, False),
    ],
)
def test_a_wait_ends_in_the_triggerer_unless_it_needs_a_worker(
    sandbox: Sandbox, parameters: dict[str, Any], ends: bool
) -> None:
    deferral = _defer(_sensor(f"{sandbox.new_model()}:1", deferrable=True, **parameters))
    assert deferral.trigger.serialize()[1]["end_from_trigger"] is ends


@needs_airflow_3_3
def test_a_wait_that_ends_in_the_triggerer_leaves_all_requests_to_it(sandbox: Sandbox) -> None:
    model = sandbox.new_model(versions=1)
    before = sandbox.count_requests(model)
    sensor = _sensor(f"{model}:1", deferrable=True)
    _defer(sensor)
    assert sandbox.count_requests(model) == before
    assert _wait(sensor)["reference"] == f"{model}:1"


def test_the_worker_finds_out_what_exists_when_a_wait_begins(sandbox: Sandbox) -> None:
    """A retry has to continue from there."""
    model = sandbox.new_model(versions=3)
    deferral = _defer(_make_sensor(model=model, newer_than="start", deferrable=True))
    assert deferral.trigger.serialize()[1]["criteria"]["newer_than"]["number"] == 3


def test_what_needs_a_worker_does_not_end_in_the_triggerer(sandbox: Sandbox) -> None:
    version = f"{sandbox.new_model()}:1"
    subclass = _SensorWithOwnEnd(task_id="wait", version=version, deferrable=True)
    with_outlet = _sensor(version, deferrable=True)
    with_outlet.outlets = [Asset("released")]
    for sensor in (subclass, with_outlet):
        assert _defer(sensor).trigger.serialize()[1]["end_from_trigger"] is False


@needs_airflow_3_3
def test_a_wait_whose_result_is_mapped_over_does_not_end_in_the_triggerer(sandbox: Sandbox) -> None:
    from airflow.sdk import task

    with DAG("mapped_over", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)):
        sensor = _sensor(f"{sandbox.new_model()}:1", deferrable=True)

        @task
        def process(item: Any) -> None:
            pass

        process.expand(item=sensor.output)
    assert _defer(sensor).trigger.serialize()[1]["end_from_trigger"] is False


def test_a_deferral_keeps_the_execution_timeout(sandbox: Sandbox) -> None:
    version = f"{sandbox.new_model()}:1"
    limited = _defer(_sensor(version, deferrable=True, execution_timeout=timedelta(seconds=100)))
    assert limited.timeout is not None
    assert timedelta(seconds=90) < limited.timeout <= timedelta(seconds=100)
    assert _defer(_sensor(version, deferrable=True)).timeout is None


@pytest.mark.parametrize("parameters", [{}, {"soft_fail": True}, {"never_fail": True}])
def test_an_execution_timeout_ends_as_on_a_worker(parameters: dict[str, Any]) -> None:
    sensor = _sensor("acme/det:1", execution_timeout=timedelta(seconds=6), **parameters)
    with pytest.raises(AirflowTaskTimeout, match="execution_timeout of 0:00:06"):
        sensor.resume_execution("__fail__", {"error": "Trigger timeout"}, {})


def test_the_error_of_a_failed_trigger_is_shown() -> None:
    kwargs = {"error": "Trigger failure", "traceback": ["Traceback:\n", "  in run\n", "TypeError: version skew\n"]}
    with pytest.raises(WaitFailedError, match=r"Trigger failure \(TypeError: version skew\)"):
        _sensor("acme/det:1").resume_execution("__fail__", kwargs, {})


def test_a_poke_interval_of_zero_is_limited(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("AIRFLOW_CONN_WRIFTAI_DEFAULT", json.dumps(sandbox.connection()))
    sensor = _sensor(f"{sandbox.new_model()}:1", poke_interval=0, deferrable=True)
    assert _defer(sensor).trigger.serialize()[1]["poll_interval"] == poll_interval.SHORTEST_INTERVAL
    # A rescheduled task must not return before the scheduler knows that it left.
    for parameters, interval in (({}, 10.0), ({"exponential_backoff": True}, 20.0)):
        rescheduled = _sensor("acme/det:1", mode="reschedule", poke_interval=3, **parameters)
        rescheduled._limit_poke_interval(is_first_poll=True)
        assert rescheduled.poke_interval == interval


@pytest.mark.parametrize("parameters", [{}, {"never_fail": True}, {"soft_fail": True}])
def test_no_exception_is_its_own_cause(mode: dict[str, Any], parameters: dict[str, Any]) -> None:
    """Airflow 2.11 and some versions of structlog never finish logging such an exception."""
    for sensor in (_sensor("acme/det", **parameters, **mode), _sensor("acme/det:1", timeout=0, **parameters, **mode)):
        with pytest.raises(Exception, match="acme/det") as caught:
            _wait(sensor)
        chain: list[BaseException] = []
        error: BaseException | None = caught.value
        while error is not None:
            assert all(error is not each for each in chain)
            chain.append(error)
            error = error.__cause__ or error.__context__


def test_a_wait_starts_in_the_triggerer_on_request(sandbox: Sandbox) -> None:
    sensor = _make_sensor(
        model="{{ params.model }}", newer_than="start", start_from_trigger=True, timeout=60, poke_interval=7
    )
    assert sensor.start_from_trigger is TRIGGERS_END_TASKS
    assert sensor.deferrable
    if TRIGGERS_END_TASKS:
        arguments = sensor.start_trigger_args
        assert arguments is not None
        assert arguments.timeout == timedelta(days=1, seconds=60)
        trigger = WriftAIStartedVersionTrigger(**json.loads(json.dumps(arguments.trigger_kwargs)))
        assert (trigger.model, trigger.newer_than, trigger.timeout) == ("{{ params.model }}", "start", 60)
        assert trigger.end_from_trigger
    # execute also works by itself: for dag.test(), and for an Airflow that does not start it in the triggerer.
    sensor.model = sandbox.new_model(versions=1)
    assert _defer(sensor).method_name == "execute_complete"


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"version": "{{ ti.xcom_pull(task_ids='publish') }}"}, "version uses ti"),
        ({"version": "{{ task_instance.xcom_pull() }}"}, "version uses task_instance"),
        ({"model": "acme/det", "image": {"digest": "{{ ti.xcom_pull() }}"}, "newer_than": 1}, "image uses ti"),
        ({"version": "{{ prev_start_date_success }}"}, "uses prev_start_date_success"),
        ({"version": "acme/det:1", "wriftai_conn_id": "{{ var.value.connection }}"}, "wriftai_conn_id uses var"),
        ({"version": object()}, "version is a object"),
    ],
)
def test_what_the_triggerer_cannot_render_is_refused_when_the_dag_is_parsed(
    parameters: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        _make_sensor(start_from_trigger=True, **parameters)


class _OwnPoke(WriftAIVersionSensor):
    def poke(self, context: Any) -> PokeReturnValue:
        return super().poke(context)


@pytest.mark.parametrize(
    ("cls", "parameters"),
    [
        (WriftAIVersionSensor, {"pre_execute": lambda context: None}),
        (WriftAIVersionSensor, {"on_execute_callback": lambda context: None}),
        (_OwnPoke, {}),
    ],
)
def test_code_that_runs_before_a_wait_keeps_its_start_on_a_worker(
    cls: type[WriftAIVersionSensor], parameters: dict[str, Any]
) -> None:
    sensor = cls(task_id="wait", version="acme/det:1", start_from_trigger=True, **parameters)
    assert not sensor.start_from_trigger
    assert sensor.deferrable


@pytest.mark.parametrize("parameters", [{}, {"never_fail": True}, {"soft_fail": True}, {"silent_fail": True}])
def test_an_execution_timeout_during_a_poll_is_not_skipped(
    monkeypatch: pytest.MonkeyPatch, parameters: dict[str, Any]
) -> None:
    def exceed_the_time(self: object, context: object) -> None:
        raise AirflowTaskTimeout("Timeout, PID: 1")

    monkeypatch.setattr(WriftAIVersionSensor, "poke", exceed_the_time)
    with pytest.raises(AirflowTaskTimeout, match="Timeout, PID: 1"):
        _sensor("acme/det:1", **parameters).execute({})


def test_the_result_of_another_task_cannot_start_a_wait_in_the_triggerer() -> None:
    with DAG("of_another_task", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)):
        other = _sensor("acme/det:1")
        with pytest.raises(ValueError, match=r"version is a PlainXComArg.*set start_from_trigger=False"):
            WriftAIVersionSensor(task_id="next", version=other.output, start_from_trigger=True)


def test_a_worker_that_defers_stores_no_link_over_that_of_the_trigger(sandbox: Sandbox) -> None:
    sensor = _sensor(f"{sandbox.new_model()}:1", deferrable=True)
    _defer(sensor)
    assert not sensor.operator_extra_links
    with pytest.raises(WaitFailedError):
        sensor.resume_execution("execute_complete", {"event": None}, {})
    assert [type(link) for link in sensor.operator_extra_links] == [WriftAIVersionLink]
