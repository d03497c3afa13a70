from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from airflow_provider_wriftai.triggers.versions import WriftAIVersionTrigger
from tests.support.sandbox import Sandbox


@pytest.fixture(autouse=True)
def _connection(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_WRIFTAI_DEFAULT", json.dumps(sandbox.connection()))


def _trigger(version: str, seconds: float = 60) -> WriftAIVersionTrigger:
    deadline = datetime.now(UTC) + timedelta(seconds=seconds)
    return WriftAIVersionTrigger(
        condition={"version": version}, poll_interval=0.01, deadline=deadline.isoformat(), max_consecutive_failures=1
    )


def _events(trigger: WriftAIVersionTrigger) -> list[Any]:
    async def run() -> list[Any]:
        return [event.payload async for event in trigger.run()]

    return asyncio.run(run())


def test_it_is_made_again_from_what_it_says(sandbox: Sandbox) -> None:
    trigger = _trigger("acme/det:1")
    path, kwargs = trigger.serialize()
    assert path == "airflow_provider_wriftai.triggers.versions.WriftAIVersionTrigger"
    assert WriftAIVersionTrigger(**json.loads(json.dumps(kwargs))).serialize() == (path, kwargs)
    assert sandbox.token not in json.dumps(kwargs)


def test_one_event_when_the_version_is_there(sandbox: Sandbox) -> None:
    model = sandbox.new_model(versions=1)
    (event,) = _events(_trigger(f"{model}:1"))
    assert event["status"] == "ready"
    assert event["version"]["reference"] == f"{model}:1"


def test_a_deadline_that_has_passed_still_allows_one_look(sandbox: Sandbox) -> None:
    model = sandbox.new_model(versions=1)
    assert _events(_trigger(f"{model}:1", seconds=-60))[0]["status"] == "ready"
    (event,) = _events(_trigger(f"{model}:2", seconds=-60))
    assert (event["status"], "and 1 look." in event["message"]) == ("timeout", True)


def test_a_bad_reference_and_a_bad_token_are_final(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    (event,) = _events(_trigger("acme/det"))
    assert (event["status"], event["final"]) == ("failed", True)
    monkeypatch.setenv("AIRFLOW_CONN_WRIFTAI_DEFAULT", json.dumps(sandbox.connection(password="wrong-token")))
    (event,) = _events(_trigger("acme/det:1"))
    assert (event["status"], event["final"]) == ("failed", True)
    assert "wrong-token" not in event["message"]


def test_no_connection_may_pass(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airflow_provider_wriftai.client.retrying._FIRST_BACKOFF", 0.0)
    monkeypatch.setenv("AIRFLOW_CONN_WRIFTAI_DEFAULT", json.dumps(sandbox.connection(host="http://127.0.0.1:1")))
    (event,) = _events(_trigger("acme/det:1"))
    assert (event["status"], event["final"]) == ("failed", False)
