"""Kill a real triggerer: waits keep their deadlines, and every version makes exactly one event."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.support.polling import until
from tests.support.real_airflow import AIRFLOW_2, HAS_STORES, RealAirflow, running_airflow
from tests.support.sandbox import Sandbox, find_requests

_until = partial(until, patience=180.0, every=0.2)

SUCCESSFUL_WAITS = ("deferred", "rescheduled") if HAS_STORES else ("deferred",)


@pytest.mark.timeout(600)
def test_waits_and_events_survive_a_killed_triggerer(
    sandbox: Sandbox, tmp_path: Path, repository: Path, schemas: Any, shows: Callable[[str], None]
) -> None:
    waited_for, watched = sandbox.new_model(versions=3), sandbox.new_model(versions=3)
    published = sandbox.new_model()
    environment = {
        "AIRFLOW_CONN_WRIFTAI_DEFAULT": json.dumps(sandbox.connection()),
        "WAITED_FOR": waited_for,
        "WATCHED": watched,
        "PUBLISHED": published,
    }

    def publish(model: str, count: int = 1) -> None:
        for _ in range(count):
            sandbox.store.create_version(
                *model.split("/"), release_notes="x", schemas=schemas, container_image_digest="sha256:" + "ab" * 32
            )

    def polls() -> int:
        return len(find_requests(sandbox.store, f"{watched}/versions"))

    with running_airflow(tmp_path, repository / "tests" / "end_to_end" / "triggerer_dags", environment) as airflow:
        for task in (*SUCCESSFUL_WAITS, "timed_out", "cleared"):
            airflow.until("waits", task, "deferred", "up_for_reschedule")
        deferred_at = time.monotonic()
        if not AIRFLOW_2:
            _until(lambda: polls() > 0)
            publish(watched, 4)
            _until(lambda: len(_watcher_events(airflow)) >= 4)
            if HAS_STORES:
                _until(lambda: _checkpoint_numbers(airflow) == {7})
        airflow.until("on_publish", "list_versions", "success", "failed")
        (version,) = airflow.result("on_publish", "list_versions")
        assert version["reference"] == f"{published}:1"
        assert version["container_image_digest"] == "sha256:" + "cd" * 32
        airflow.kill("triggerer")
        publish(waited_for)
        if HAS_STORES:
            publish(watched, 6)
        polls_before = polls()
        airflow.start("triggerer")
        for task in SUCCESSFUL_WAITS:
            airflow.until("waits", task, "success")
            assert airflow.result("waits", task)["reference"] == f"{waited_for}:4"
        airflow.until("waits", "timed_out", "failed")
        elapsed = time.monotonic() - deferred_at
        assert "did not appear in time" in airflow.logs("waits", "timed_out")
        assert elapsed < 60 + 45, "the restart extended the deadline"
        assert airflow.task("waits", "cleared")[0] == "deferred"
        watchers = [] if AIRFLOW_2 else ["WriftAIVersionPublishedTrigger"]
        _until(lambda: airflow.triggers() == [*watchers, "WriftAIVersionTrigger"])
        airflow.command("tasks", "clear", "waits", "--task-regex", "cleared", "--yes")
        _until(lambda: airflow.task("waits", "cleared") == ("deferred", 2))
        _until(lambda: airflow.triggers() == [*watchers, "WriftAIVersionTrigger"])
        if not AIRFLOW_2:
            _until(lambda: polls() > polls_before)
            publish(watched, 10)
            total = 20 if HAS_STORES else 14
            _until(lambda: len(_watcher_events(airflow)) >= total)
            if HAS_STORES:
                _until(lambda: _checkpoint_numbers(airflow) == {23})
            _check_one_event_per_version(airflow, watched, total)
    shown = {
        "deferred": True,
        "outlet, given": True,
        "events": not AIRFLOW_2,
        "events, over restarts": HAS_STORES,
        "start, rescheduled": HAS_STORES,
    }
    for feature in (feature for feature, was_tested in shown.items() if was_tested):
        shows(feature)
    assert sandbox.token not in "".join(file.read_text(errors="replace") for file in tmp_path.rglob("*.log"))


def _watcher_events(airflow: RealAirflow) -> list[Any]:
    """Return the payloads of the events that the watcher made."""
    return [extra["payload"] for extra in airflow.events() if "payload" in extra]


def _checkpoint_numbers(airflow: RealAirflow) -> set[Any]:
    return {value["number"] for value in airflow.checkpoints()}


def _check_one_event_per_version(airflow: RealAirflow, model: str, count: int) -> None:
    delivered = [payload["reference"] for payload in _watcher_events(airflow)]
    assert sorted(delivered, key=lambda reference: int(reference.rpartition(":")[2])) == [
        f"{model}:{number}" for number in range(4, 4 + count)
    ]
    assert {payload["model"] for payload in _watcher_events(airflow)} == {model}
    _until(lambda: sum(map(len, airflow.results("on_event", "list_references"))) >= count)
    received = [reference for references in airflow.results("on_event", "list_references") for reference in references]
    assert sorted(received) == sorted(delivered)
