"""kill -9 on a real triggerer: waits keep their deadline, and every version is told, and told once."""

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
from tests.support.sandbox import Sandbox

_until = partial(until, patience=180.0, every=0.2)

FINDING = ("until_it_is_there", "looking_anew") if HAS_STORES else ("until_it_is_there",)


@pytest.mark.timeout(600)
def test_a_triggerer_that_is_killed_amid_it_all(
    sandbox: Sandbox, tmp_path: Path, repository: Path, schemas: Any, shows: Callable[[str], None]
) -> None:
    waited_for, heard_of = sandbox.new_model(versions=3), sandbox.new_model(versions=3)
    published = sandbox.new_model()
    environment = {
        "AIRFLOW_CONN_WRIFTAI_DEFAULT": json.dumps(sandbox.connection()),
        "WAITED_FOR": waited_for,
        "HEARD_OF": heard_of,
        "PUBLISHED": published,
    }

    def publish(model: str, count: int = 1) -> None:
        for _ in range(count):
            sandbox.store.create_version(
                *model.split("/"), release_notes="x", schemas=schemas, container_image_digest="sha256:" + "ab" * 32
            )

    def polls() -> int:
        return sum(f"/{heard_of}/versions" in entry["path"] for entry in sandbox.store.requests(100_000))

    with running_airflow(tmp_path, repository / "tests" / "end_to_end" / "triggerer_dags", environment) as airflow:
        for task in (*FINDING, "until_it_is_too_late", "until_somebody_clears_it"):
            airflow.until("waits", task, "deferred", "up_for_reschedule")
        deferred_at = time.monotonic()
        if not AIRFLOW_2:
            _until(lambda: polls() > 0)
            publish(heard_of, 4)
            _until(lambda: len(_told(airflow)) >= 4)
            if HAS_STORES:
                _until(lambda: _mark(airflow) == {7})
        airflow.until("follows", "tell", "success", "failed")
        (told,) = airflow.result("follows", "tell")
        assert told["reference"] == f"{published}:1"
        assert told["container_image_digest"] == "sha256:" + "cd" * 32
        airflow.kill("triggerer")
        publish(waited_for)
        if HAS_STORES:
            publish(heard_of, 6)
        polls_before = polls()
        airflow.start("triggerer")
        for task in FINDING:
            airflow.until("waits", task, "success")
            assert airflow.result("waits", task)["reference"] == f"{waited_for}:4"
        airflow.until("waits", "until_it_is_too_late", "failed")
        late = time.monotonic() - deferred_at
        assert "did not appear in time" in airflow.logs("waits", "until_it_is_too_late")
        assert late < 60 + 45, "the deadline began anew"
        assert airflow.task("waits", "until_somebody_clears_it")[0] == "deferred"
        watchers = [] if AIRFLOW_2 else ["WriftAIVersionPublishedTrigger"]
        _until(lambda: airflow.triggers() == [*watchers, "WriftAIVersionTrigger"])
        airflow.command("tasks", "clear", "waits", "--task-regex", "until_somebody_clears_it", "--yes")
        _until(lambda: airflow.task("waits", "until_somebody_clears_it") == ("deferred", 2))
        _until(lambda: airflow.triggers() == [*watchers, "WriftAIVersionTrigger"])
        if not AIRFLOW_2:
            _until(lambda: polls() > polls_before)
            publish(heard_of, 10)
            published_in_all = 20 if HAS_STORES else 14
            _until(lambda: len(_told(airflow)) >= published_in_all)
            if HAS_STORES:
                _until(lambda: _mark(airflow) == {23})
            _all_were_told_once(airflow, heard_of, published_in_all)
    shown = {
        "deferred": True,
        "outlet, given": True,
        "events": not AIRFLOW_2,
        "events, over restarts": HAS_STORES,
        "start, rescheduled": HAS_STORES,
    }
    for what in (what for what, was_tried in shown.items() if was_tried):
        shows(what)
    assert sandbox.token not in "".join(file.read_text(errors="replace") for file in tmp_path.rglob("*.log"))


def _told(airflow: RealAirflow) -> list[Any]:
    """What was heard of versions that were published from outside."""
    return [extra["payload"] for extra in airflow.events() if "payload" in extra]


def _mark(airflow: RealAirflow) -> set[Any]:
    return {value["number"] for value in airflow.marks()}


def _all_were_told_once(airflow: RealAirflow, model: str, count: int) -> None:
    told = [payload["reference"] for payload in _told(airflow)]
    assert sorted(told, key=lambda reference: int(reference.rpartition(":")[2])) == [
        f"{model}:{number}" for number in range(4, 4 + count)
    ]
    assert {payload["model"] for payload in _told(airflow)} == {model}
    _until(lambda: sum(map(len, airflow.results("hears", "tell"))) >= count)
    heard = [reference for references in airflow.results("hears", "tell") for reference in references]
    assert sorted(heard) == sorted(told)
