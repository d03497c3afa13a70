from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import (
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    TaskDeferred,
)

from airflow_provider_wriftai.sensors.versions import WriftAIVersionSensor
from airflow_provider_wriftai.triggers.versions import WriftAIVersionTrigger
from airflow_provider_wriftai.waiting.errors import WaitFailedError


@pytest.fixture(autouse=True)
def _connection(sandbox: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_WRIFTAI_DEFAULT", json.dumps(sandbox.connection()))


def _sensor(version: str, **parameters: Any) -> WriftAIVersionSensor:
    return WriftAIVersionSensor(task_id="wait", version=version, **parameters)


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


def test_a_version_that_is_there_comes_back_at_once(sandbox: Any, mode: dict[str, Any]) -> None:
    model = sandbox.new_model(versions=2)
    result = _sensor(f"{model}:2", **mode).execute({})
    version = getattr(result, "xcom_value", result)
    assert version["reference"] == f"{model}:2"
    assert version["release_notes"] == "Nightly build 2"


def test_a_version_that_appears_ends_the_wait(
    sandbox: Any, mode: dict[str, Any], schemas: Any, digest: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = sandbox.new_model(versions=1)
    looks = 0
    record_request = sandbox.store.record_request

    def publish_after_the_third_look(caller: str, method: str, path: str, status: int) -> None:
        nonlocal looks
        looks += 1
        record_request(caller, method, path, status)
        if looks == 3:
            sandbox.store.create_version(
                *model.split("/"), release_notes="x", schemas=schemas, container_image_digest=digest
            )

    monkeypatch.setattr(sandbox.store, "record_request", publish_after_the_third_look)
    result = _wait(_sensor(f"{model}:2", poke_interval=0.01, timeout=60, **mode))
    assert getattr(result, "xcom_value", result)["container_image_digest"] == digest
    assert looks == 4


def test_a_timeout(sandbox: Any, mode: dict[str, Any]) -> None:
    with pytest.raises(AirflowSensorTimeout):
        _wait(_sensor(f"{sandbox.new_model()}:1", timeout=0, poke_interval=0, **mode))


def test_a_timeout_with_soft_fail_skips(sandbox: Any, mode: dict[str, Any]) -> None:
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
    with pytest.raises(AirflowFailException, match="Has the task that was to give it returned one"):
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


def test_a_wrong_token_fails_at_once(sandbox: Any, mode: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
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
        ({"status": "unheard of"}, {"soft_fail": True}, WaitFailedError),
        (None, {}, WaitFailedError),
    ],
)
def test_what_a_trigger_may_say(event: Any, parameters: dict[str, Any], ends: type[Exception]) -> None:
    with pytest.raises(ends):
        _sensor("acme/det:1", **parameters).resume_execution("execute_complete", {"event": event}, {})
