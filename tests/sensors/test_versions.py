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

from airflow_provider_wriftai._airflow.compat import (
    TRIGGERS_END_TASKS,
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    AirflowTaskTimeout,
    Asset,
    TaskDeferred,
)
from airflow_provider_wriftai.domain.waiting import poll_interval, version_cache
from airflow_provider_wriftai.domain.waiting.errors import WaitFailedError
from airflow_provider_wriftai.links.versions import WriftAIVersionLink
from airflow_provider_wriftai.sensors import versions
from airflow_provider_wriftai.sensors.versions import WriftAIVersionSensor
from airflow_provider_wriftai.triggers.versions import WriftAIStartedVersionTrigger, WriftAIVersionTrigger
from tests.support.sandbox import Sandbox


@pytest.fixture(autouse=True)
def _connection(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_WRIFTAI_DEFAULT", json.dumps(sandbox.connection()))


@pytest.fixture(autouse=True)
def _without_delays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(poll_interval, "SHORTEST_INTERVAL", 0.0)
    monkeypatch.setattr(versions, "REPORT_HOLD", 0.0)


def _sensor(version: Any, **parameters: Any) -> WriftAIVersionSensor:
    return WriftAIVersionSensor(task_id="wait", version=version, **parameters)


def _waiting(**parameters: Any) -> WriftAIVersionSensor:
    return WriftAIVersionSensor(task_id="wait", **parameters)


def _wait(sensor: WriftAIVersionSensor) -> Any:
    """Run a sensor to its end: where it defers, run its trigger and go on with the event."""
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


def test_a_version_that_is_there_comes_back_at_once(sandbox: Sandbox, mode: dict[str, Any]) -> None:
    model = sandbox.new_model(versions=2)
    result = _sensor(f"{model}:2", end_from_trigger=False, **mode).execute({})
    version = getattr(result, "xcom_value", result)
    assert version["reference"] == f"{model}:2"
    assert version["release_notes"] == "Nightly build 2"


@pytest.fixture
def after_looks(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Publish a version of a model once it was looked at for so many times."""
    looks: Counter[str] = Counter()
    due: dict[tuple[str, int], Callable[[], object]] = {}
    record_request = sandbox.store.record_request

    def record(caller: str, method: str, path: str, status: int) -> None:
        record_request(caller, method, path, status)
        looks[path.rpartition("/v1")[2]] += 1
        for (model, times), publish in list(due.items()):
            if looks[f"/models/{model}/versions"] >= times:
                del due[model, times]
                publish()

    monkeypatch.setattr(sandbox.store, "record_request", record)

    def publish_after(times: int, model: str, notes: str = "x", image: int = 0) -> None:
        due[model, times] = lambda: sandbox.store.create_version(
            *model.split("/"), release_notes=notes, schemas={}, container_image_digest=f"sha256:{image:064x}"
        )

    return publish_after


def test_a_version_that_appears_ends_the_wait(
    sandbox: Sandbox, mode: dict[str, Any], after_looks: Callable[..., None]
) -> None:
    model = sandbox.new_model(versions=1)
    after_looks(3, model, image=7)
    result = _wait(_sensor(f"{model}:2", poke_interval=0.01, timeout=60, **mode))
    assert getattr(result, "xcom_value", result)["container_image_digest"] == f"sha256:{7:064x}"


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
def test_what_a_version_has_to_be(
    sandbox: Sandbox, mode: dict[str, Any], after_looks: Callable[..., None], criteria: dict[str, Any]
) -> None:
    model = sandbox.new_model(versions=2)
    after_looks(2, model, "release 1", image=7)
    criteria = json.loads(json.dumps(criteria).replace("MODEL", model))
    result = _wait(_waiting(model=model, poke_interval=0.01, timeout=60, **criteria, **mode))
    assert getattr(result, "xcom_value", result)["reference"] == f"{model}:3"


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({}, "Nothing to wait for"),
        ({"model": "acme/det"}, "No criterion"),
        ({"model": "acme", "newer_than": "start"}, "'owner/name'"),
        ({"newer_than": "start"}, "Nothing to wait for"),
        ({"model": "acme/det", "newer_than": None}, "newer_than must be"),
        ({"model": "acme/det", "newer_than": "None"}, "newer_than must be"),
        ({"model": "acme/det", "release_notes": ""}, "leave it out"),
        ({"model": "acme/det", "release_notes": None}, "leave it out"),
        ({"model": "acme/det", "image": ""}, "image is empty"),
        ({"model": "acme/det", "image": None}, "image"),
        ({"model": None, "newer_than": "start"}, "model"),
        ({"version": "acme/det:1", "newer_than": "start", "model": "acme/det"}, "no further criteria"),
        ({"version": "acme/det:1", "model": "acme/other"}, "acme/other"),
        ({"version": "acme/det:1", "max_consecutive_failures": "many"}, "must be an integer"),
    ],
)
def test_a_mistake_fails_at_once(mode: dict[str, Any], parameters: dict[str, Any], said: str) -> None:
    with pytest.raises(AirflowFailException, match=said):
        _wait(_waiting(**parameters, **mode))


def test_a_version_as_a_task_returned_it(sandbox: Sandbox, mode: dict[str, Any]) -> None:
    model = sandbox.new_model(versions=1)
    result = _wait(_sensor({"reference": f"{model}:1", "release_notes": "x"}, **mode))
    assert getattr(result, "xcom_value", result)["reference"] == f"{model}:1"


def test_a_version_that_was_deleted_fails_at_once(sandbox: Sandbox, mode: dict[str, Any]) -> None:
    model = sandbox.new_model(versions=3)
    sandbox.delete(model, 2)
    with pytest.raises(AirflowFailException, match="never will"):
        _wait(_sensor(f"{model}:2", **mode))


DOWN = {"host": "http://127.0.0.1:1", "extra": {"retry_attempts": 1}}


def test_failures_that_may_pass_are_counted(
    sandbox: Sandbox, mode: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_WRIFTAI_DEFAULT", json.dumps(sandbox.connection(**DOWN)))
    with pytest.raises(WaitFailedError, match=r"3 polls in a row for acme/det:1 failed.* The last error: ") as caught:
        _wait(_sensor("acme/det:1", poke_interval=0.01, max_consecutive_failures="2", soft_fail=True, **mode))
    assert sandbox.token not in str(caught.value)


def test_with_silent_fail_they_are_not(sandbox: Sandbox, mode: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_WRIFTAI_DEFAULT", json.dumps(sandbox.connection(**DOWN)))
    with pytest.raises(AirflowSensorTimeout, match="The last poll failed: "):
        _wait(_sensor("acme/det:1", poke_interval=0.01, timeout=0.3, silent_fail=True, **mode))


class TaskStateStore:
    """A task's state store (Airflow 3.3)."""

    def __init__(self) -> None:
        self.kept: dict[str, Any] = {}

    def get(self, key: str) -> Any:
        return self.kept.get(key)

    def set(self, key: str, value: Any) -> None:
        self.kept[key] = json.loads(json.dumps(value))


def _poke_anew(store: TaskStateStore, max_tries: int = 0, try_number: int = 1, **parameters: Any) -> Any:
    """Look once, as the process of a rescheduled task does."""
    sensor = _waiting(**{"mode": "reschedule", **parameters})
    ti = SimpleNamespace(max_tries=max_tries, task=sensor, try_number=try_number)
    context: Any = {"ti": ti, "task_state_store": store}
    return sensor.poke(context)


def test_a_rescheduled_wait_keeps_what_it_began_with(sandbox: Sandbox, after_looks: Callable[..., None]) -> None:
    model = sandbox.new_model(versions=2)
    store = TaskStateStore()
    assert not _poke_anew(store, model=model, newer_than="start").is_done
    after_looks(1, model)
    assert not _poke_anew(store, model=model, newer_than="start").is_done
    assert _poke_anew(store, model=model, newer_than="start").xcom_value["reference"] == f"{model}:3"


def test_a_wait_that_a_user_cleared_begins_anew(sandbox: Sandbox) -> None:
    model = sandbox.new_model(versions=2)
    store = TaskStateStore()
    assert not _poke_anew(store, model=model, newer_than="start").is_done
    sandbox.store.create_version(
        *model.split("/"), release_notes="x", schemas={}, container_image_digest=f"sha256:{0:064x}"
    )
    assert not _poke_anew(store, max_tries=1, model=model, newer_than="start").is_done


def test_a_rescheduled_wait_counts_failures_over_its_processes(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_WRIFTAI_DEFAULT", json.dumps(sandbox.connection(**DOWN)))
    store = TaskStateStore()
    for _ in range(2):
        assert not _poke_anew(store, version="acme/det:1", max_consecutive_failures=2).is_done
    with pytest.raises(WaitFailedError, match="3 polls in a row"):
        _poke_anew(store, version="acme/det:1", max_consecutive_failures=2)


def test_a_retry_keeps_the_start_and_counts_failures_anew(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    model = sandbox.new_model(versions=2)
    modes: tuple[dict[str, Any], ...] = ({"mode": "reschedule"}, {"mode": "poke"}, {"deferrable": True})
    for parameters in modes:
        store = TaskStateStore()
        looking: dict[str, Any] = {"model": model, "newer_than": "start", "max_consecutive_failures": 0, **parameters}
        assert not _poke_anew(store, **looking).is_done
        with monkeypatch.context() as outage:
            outage.setenv("AIRFLOW_CONN_WRIFTAI_DEFAULT", json.dumps(sandbox.connection(**DOWN)))
            with pytest.raises(WaitFailedError):
                _poke_anew(store, **looking)
        newest = len(sandbox.numbers(model)) + 1
        sandbox.store.create_version(
            *model.split("/"), release_notes="x", schemas={}, container_image_digest=f"sha256:{0:064x}"
        )
        found = _poke_anew(store, try_number=2, **looking)
        assert found.xcom_value["reference"] == f"{model}:{newest}"


@pytest.mark.parametrize("parameters", [{"mode": "reschedule"}, {"mode": "poke"}, {"deferrable": True}])
@pytest.mark.parametrize("failures", [0, 5])
def test_a_wait_begins_before_a_first_poll_that_fails(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, parameters: dict[str, Any], failures: int
) -> None:
    """In the same try, and where the failure ends the try."""
    monkeypatch.setattr(version_cache, "_CLOCK_PRECISION", timedelta(0))
    model, store = sandbox.new_model(versions=2), TaskStateStore()
    looking = {"model": model, "newer_than": "start", "max_consecutive_failures": failures, **parameters}
    with monkeypatch.context() as outage:
        outage.setenv("AIRFLOW_CONN_WRIFTAI_DEFAULT", json.dumps(sandbox.connection(**DOWN)))
        with nullcontext() if failures else pytest.raises(WaitFailedError):
            _poke_anew(store, **looking)
    sandbox.store.create_version(
        *model.split("/"), release_notes="x", schemas={}, container_image_digest=f"sha256:{0:064x}"
    )
    found = _poke_anew(store, try_number=1 if failures else 2, **looking)
    assert found.xcom_value["reference"] == f"{model}:3"


@pytest.mark.parametrize(
    "parameters", [{}, {"end_from_trigger": False}, {"soft_fail": True}, {"silent_fail": True}, {"timeout": 0}]
)
@pytest.mark.parametrize("connection", ["no_such", "aws_default", " "])
def test_a_connection_that_cannot_be_used_fails_at_once(
    mode: dict[str, Any], monkeypatch: pytest.MonkeyPatch, parameters: dict[str, Any], connection: str
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", "aws://AKIA:SECRET@")
    said = "does not exist|its type is 'aws'|wriftai_conn_id is empty"
    with pytest.raises(AirflowFailException, match=said):
        _sensor("acme/det:1", wriftai_conn_id=connection, **parameters, **mode).execute({})


def test_without_a_store_a_rescheduled_wait_says_what_it_cannot_do(sandbox: Sandbox) -> None:
    with pytest.raises(AirflowFailException, match=r"before Airflow 3\.3"):
        _waiting(model="acme/det", newer_than="start", mode="reschedule").execute({})


def test_a_timeout(sandbox: Sandbox, mode: dict[str, Any]) -> None:
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
def test_a_version_that_another_task_did_not_give_fails_at_once(mode: dict[str, Any], version: Any) -> None:
    with pytest.raises(AirflowFailException, match="Check that the task it comes from"):
        _wait(_sensor(version, **mode))


@pytest.mark.parametrize(
    ("reason", "parameters", "ends"),
    [
        ("Trigger timeout", {}, AirflowSensorTimeout),
        ("Trigger timeout", {"soft_fail": True}, AirflowSkipException),
        ("Trigger failure", {}, WaitFailedError),
        ("Trigger failure", {"soft_fail": True}, WaitFailedError),
        ("Trigger failure", {"never_fail": True}, AirflowSkipException),
    ],
)
def test_a_trigger_that_ended_without_an_event(reason: str, parameters: Any, ends: type[Exception]) -> None:
    with pytest.raises(ends):
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
    ("event", "parameters", "ends"),
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
def test_what_a_trigger_may_say(event: Any, parameters: dict[str, Any], ends: type[Exception]) -> None:
    with pytest.raises(ends):
        _sensor("acme/det:1", **parameters).resume_execution("execute_complete", {"event": event}, {})


def _deferral(sensor: WriftAIVersionSensor) -> TaskDeferred:
    with pytest.raises(TaskDeferred) as caught:
        sensor.execute({})
    return caught.value


needs_airflow_3_3 = pytest.mark.skipif(not TRIGGERS_END_TASKS, reason="before Airflow 3.3, workers end every task")


class _WithItsOwnEnd(WriftAIVersionSensor):
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
def test_what_may_end_in_the_triggerer(sandbox: Sandbox, parameters: dict[str, Any], ends: bool) -> None:
    deferral = _deferral(_sensor(f"{sandbox.new_model()}:1", deferrable=True, **parameters))
    assert deferral.trigger.serialize()[1]["end_from_trigger"] is ends


@needs_airflow_3_3
def test_a_wait_that_ends_in_the_triggerer_leaves_all_requests_to_it(sandbox: Sandbox) -> None:
    model = sandbox.new_model(versions=1)
    before = len(sandbox.store.requests(100_000))
    sensor = _sensor(f"{model}:1", deferrable=True)
    _deferral(sensor)
    assert len(sandbox.store.requests(100_000)) == before
    assert _wait(sensor)["reference"] == f"{model}:1"


def test_what_exists_when_a_wait_begins_is_found_out_on_the_worker(sandbox: Sandbox) -> None:
    """A retry has to go on from there."""
    model = sandbox.new_model(versions=3)
    deferral = _deferral(_waiting(model=model, newer_than="start", deferrable=True))
    assert deferral.trigger.serialize()[1]["criteria"]["newer_than"]["number"] == 3


def test_what_needs_a_worker_does_not_end_in_the_triggerer(sandbox: Sandbox) -> None:
    version = f"{sandbox.new_model()}:1"
    subclass = _WithItsOwnEnd(task_id="wait", version=version, deferrable=True)
    with_outlet = _sensor(version, deferrable=True)
    with_outlet.outlets = [Asset("released")]
    for sensor in (subclass, with_outlet):
        assert _deferral(sensor).trigger.serialize()[1]["end_from_trigger"] is False


@needs_airflow_3_3
def test_a_wait_whose_result_is_mapped_over_does_not_end_in_the_triggerer(sandbox: Sandbox) -> None:
    from airflow.sdk import task

    with DAG("mapped_over", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)):
        sensor = _sensor(f"{sandbox.new_model()}:1", deferrable=True)

        @task
        def tell(item: Any) -> None:
            pass

        tell.expand(item=sensor.output)
    assert _deferral(sensor).trigger.serialize()[1]["end_from_trigger"] is False


def test_a_deferral_keeps_the_execution_timeout(sandbox: Sandbox) -> None:
    version = f"{sandbox.new_model()}:1"
    limited = _deferral(_sensor(version, deferrable=True, execution_timeout=timedelta(seconds=100)))
    assert limited.timeout is not None
    assert timedelta(seconds=90) < limited.timeout <= timedelta(seconds=100)
    assert _deferral(_sensor(version, deferrable=True)).timeout is None


@pytest.mark.parametrize("parameters", [{}, {"soft_fail": True}, {"never_fail": True}])
def test_an_execution_timeout_ends_as_on_a_worker(parameters: dict[str, Any]) -> None:
    sensor = _sensor("acme/det:1", execution_timeout=timedelta(seconds=6), **parameters)
    with pytest.raises(AirflowTaskTimeout, match="execution_timeout of 0:00:06"):
        sensor.resume_execution("__fail__", {"error": "Trigger timeout"}, {})


def test_a_trigger_that_failed_says_why() -> None:
    kwargs = {"error": "Trigger failure", "traceback": ["Traceback:\n", "  in run\n", "TypeError: version skew\n"]}
    with pytest.raises(WaitFailedError, match=r"Trigger failure \(TypeError: version skew\)"):
        _sensor("acme/det:1").resume_execution("__fail__", kwargs, {})


def test_a_poke_interval_of_nothing_is_limited(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("AIRFLOW_CONN_WRIFTAI_DEFAULT", json.dumps(sandbox.connection()))
    sensor = _sensor(f"{sandbox.new_model()}:1", poke_interval=0, deferrable=True)
    assert _deferral(sensor).trigger.serialize()[1]["poll_interval"] == poll_interval.SHORTEST_INTERVAL
    # A rescheduled task must not come back before the scheduler knows that it left.
    for parameters, interval in (({}, 10.0), ({"exponential_backoff": True}, 20.0)):
        rescheduled = _sensor("acme/det:1", mode="reschedule", poke_interval=3, **parameters)
        rescheduled._limit_poke_interval()
        assert rescheduled.poke_interval == interval


@pytest.mark.parametrize("parameters", [{}, {"never_fail": True}, {"soft_fail": True}])
def test_no_exception_is_its_own_cause(mode: dict[str, Any], parameters: dict[str, Any]) -> None:
    """The log of Airflow 2.11 and of some structlogs never ends for one that is."""
    for sensor in (_sensor("acme/det", **parameters, **mode), _sensor("acme/det:1", timeout=0, **parameters, **mode)):
        with pytest.raises(Exception, match="acme/det") as caught:
            _wait(sensor)
        seen: list[BaseException] = []
        error: BaseException | None = caught.value
        while error is not None:
            assert all(error is not each for each in seen)
            seen.append(error)
            error = error.__cause__ or error.__context__


def test_a_wait_starts_in_the_triggerer_on_request(sandbox: Sandbox) -> None:
    sensor = _waiting(
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
    # By itself, execute is whole: for dag.test(), and for an Airflow that does not start it there.
    sensor.model = sandbox.new_model(versions=1)
    assert _deferral(sensor).method_name == "execute_complete"


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
        _waiting(start_from_trigger=True, **parameters)


def test_the_result_of_another_task_cannot_start_a_wait_in_the_triggerer(sandbox: Sandbox) -> None:
    with DAG("of_another_task", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)):
        other = _sensor("acme/det:1")
        with pytest.raises(ValueError, match=r"version is a PlainXComArg.*set start_from_trigger=False"):
            WriftAIVersionSensor(task_id="next", version=other.output, start_from_trigger=True)


def test_a_worker_that_defers_stores_no_link_over_that_of_the_trigger(sandbox: Sandbox) -> None:
    sensor = _sensor(f"{sandbox.new_model()}:1", deferrable=True)
    _deferral(sensor)
    assert not sensor.operator_extra_links
    with pytest.raises(WaitFailedError):
        sensor.resume_execution("execute_complete", {"event": None}, {})
    assert [type(link) for link in sensor.operator_extra_links] == [WriftAIVersionLink]
