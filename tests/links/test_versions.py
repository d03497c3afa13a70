from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import airflow
import pytest

from airflow_provider_wriftai._airflow import compat
from airflow_provider_wriftai._airflow.compat import BaseOperatorLink
from airflow_provider_wriftai.get_provider_info import get_provider_info
from airflow_provider_wriftai.links.versions import LINK_KEY, WriftAIVersionLink
from airflow_provider_wriftai.operators.cleanup import WriftAICleanupVersionsOperator
from airflow_provider_wriftai.operators.versions import WriftAICreateVersionOperator, WriftAIGetVersionOperator
from airflow_provider_wriftai.sensors.versions import WriftAIVersionSensor
from tests.support.sandbox import Sandbox

AIRFLOW_2 = airflow.__version__.startswith("2.")
DIGEST = "sha256:" + "ab" * 32


@pytest.fixture(autouse=True)
def _connection(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_WRIFTAI_DEFAULT", json.dumps(sandbox.connection()))


class TaskInstance:
    """A task instance that records what is pushed to XCom."""

    try_number = 1
    max_tries = 0
    task = SimpleNamespace(retries=0)

    def __init__(self) -> None:
        self.pushed: dict[str, Any] = {}

    def xcom_push(self, key: str, value: Any) -> None:
        self.pushed[key] = value


def _link_of(task: Any, run: str = "execute", **arguments: Any) -> Any:
    ti = TaskInstance()
    context: Any = {"ti": ti}
    getattr(task, run)(context, **arguments)
    return ti.pushed.get(LINK_KEY) if AIRFLOW_2 else WriftAIVersionLink().get_link(task, ti_key=ti)


def test_each_task_links_to_its_version_or_model(sandbox: Sandbox, schemas: Any) -> None:
    model = sandbox.new_model(versions=2)
    page = f"{sandbox.url}/models/{model}"
    publish = WriftAICreateVersionOperator(task_id="p", model=model, image=DIGEST, release_notes="x", schemas=schemas)
    assert _link_of(publish) == f"{page}/versions/3"
    assert _link_of(WriftAIGetVersionOperator(task_id="g", version=f"{model}:1")) == f"{page}/versions/1"
    wait = WriftAIVersionSensor(task_id="w", model=model, newer_than=1)
    assert _link_of(wait) == f"{page}/versions/3"
    event = {"status": "ready", "version": {"reference": f"{model}:2"}, "base_url": sandbox.base_url()}
    assert _link_of(wait, "execute_complete", event=event) == f"{page}/versions/2"
    assert _link_of(WriftAICleanupVersionsOperator(task_id="c", model=model, keep_last=9)) == page


def test_a_task_that_has_not_run_has_no_link() -> None:
    task = WriftAIGetVersionOperator(task_id="g", version="acme/m:1")
    if not AIRFLOW_2:
        assert WriftAIVersionLink().get_link(task, ti_key=None) == ""


@pytest.mark.skipif(not AIRFLOW_2, reason="Airflow 3 stores links itself")
def test_a_link_that_cannot_be_stored_does_not_fail_the_task(sandbox: Sandbox) -> None:
    class Broken(TaskInstance):
        def xcom_push(self, key: str, value: Any) -> None:
            raise OSError("no database")

    model = sandbox.new_model(versions=1)
    context: Any = {"ti": Broken()}
    assert WriftAIGetVersionOperator(task_id="g", version=f"{model}:1").execute(context)["number"] == 1


@pytest.mark.skipif(not AIRFLOW_2, reason="Airflow 3 stores links itself")
def test_it_is_read_from_xcom(monkeypatch: pytest.MonkeyPatch) -> None:
    stored: dict[str, str] = {}
    xcom = SimpleNamespace(get_value=lambda *, key, ti_key: stored.get(key))
    monkeypatch.setattr(compat, "XCom", xcom, raising=False)
    link = WriftAIVersionLink()
    assert link.get_link(None, ti_key=None) == ""
    stored[LINK_KEY] = "http://127.0.0.1/x"
    assert link.get_link(None, ti_key=None) == "http://127.0.0.1/x"


def test_the_provider_info_lists_it() -> None:
    assert issubclass(WriftAIVersionLink, BaseOperatorLink)
    path = f"{WriftAIVersionLink.__module__}.{WriftAIVersionLink.__qualname__}"
    assert get_provider_info()["extra-links"] == [path]
