"""``make ui``: scheduler, triggerer, dag processor and web server, used over the REST API as a user's system would."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from postgres import free_port
from rest_api import RestAPI

from airflow_provider_wriftai.client.api import API
from airflow_provider_wriftai.client.versions import CreateVersionParams, Versions

Start = Callable[..., Any]

_PATIENCE = 150.0


def _until_said(log: Path, *words: str) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not any(all(word in line for word in words) for line in log.read_text(errors="replace").splitlines()):
        assert time.monotonic() < deadline, words
        time.sleep(0.2)


@pytest.fixture
def ports() -> tuple[int, int]:
    return free_port(), free_port()


def test_the_example_dags_on_real_processes(
    start: Start, ports: tuple[int, int], tmp_path: Path, schemas: Any, digest: str, shows: Callable[[str], None]
) -> None:
    airflow_port, sandbox_port = ports
    with start("ui.py", "--port", str(airflow_port), "--sandbox-port", str(sandbox_port)) as process:
        said = ""
        while "Stop " not in said:
            line = process.stdout.readline()
            assert line, said
            said += line
        token = json.loads((tmp_path / "secrets.json").read_text())["token"]
        with RestAPI(f"http://localhost:{airflow_port}") as airflow:
            waiting = airflow.trigger("wait_for_release", version="acme/sentiment:14")
            airflow.until(waiting, "wait_for_version", "deferred")

            pipeline = airflow.trigger("publish_after_build")
            airflow.until(pipeline, "prune_versions", "success", "failed", "upstream_failed")
            assert set(airflow.states(pipeline).values()) == {"success"}
            assert airflow.result(pipeline, "publish_version")["reference"] == "acme/sentiment:13"
            assert airflow.result(pipeline, "wait_for_version")["reference"] == "acme/sentiment:13"
            for task in ("publish_version", "wait_for_version"):
                link = airflow.link(pipeline, task)
                assert link == f"http://127.0.0.1:{sandbox_port}/models/acme/sentiment/versions/13"
                assert "acme/sentiment:13" in httpx.get(link).text
            assert airflow.link(pipeline, "prune_versions").endswith("/models/acme/sentiment")
            shows("link")
            report = airflow.result(pipeline, "prune_versions")
            assert report["deleted"] == [f"acme/sentiment:{number}" for number in range(1, 9)]

            assert airflow.states(waiting)["wait_for_version"] == "deferred"
            # The prune may have used up the token's budget: the client waits where a bare POST would earn a 429.
            outside = API(f"http://127.0.0.1:{sandbox_port}/v1", token)
            new: CreateVersionParams = {
                "release_notes": "from outside", "schemas": schemas, "container_image_digest": digest
            }  # fmt: skip
            assert Versions(outside).create("acme", "sentiment", new)["number"] == 14
            airflow.until(waiting, "tell", "success", "failed", "upstream_failed")
            assert airflow.result(waiting, "tell") == "acme/sentiment:14: from outside"

            # 14, 13, …, 9 are there: one goes, and only once somebody approves.
            asking = airflow.trigger("prune_after_approval")
            airflow.until(asking, "approve", "deferred", "awaiting_input")
            assert airflow.states(asking)["prune"] is None
            # Airflow 3.3 fails a task that is answered before its scheduler has heard that it paused.
            _until_said(tmp_path / "ui.log", "Received executor event with state success", "task_id='approve'")
            # Now 10 is due too, but nobody was asked about it.
            assert Versions(outside).create("acme", "sentiment", new)["number"] == 15
            outside.close()
            asked = airflow.approve(asking, "approve")
            assert asked.startswith("Delete 1 versions of acme/sentiment?")
            assert "| acme/sentiment:9 |" in asked
            airflow.until(asking, "prune", "success", "failed", "upstream_failed", "skipped")
            assert airflow.states(asking) == {"rehearse": "success", "approve": "success", "prune": "success"}
            assert airflow.result(asking, "prune")["deleted"] == ["acme/sentiment:9"]
            shows("approval")

            assert "Created acme/sentiment:13" in airflow.log(pipeline, "publish_version")
    logs = [file for file in tmp_path.rglob("*.log") if file.is_file()]
    assert len(logs) > 8
    assert [str(file) for file in logs if token in file.read_text(errors="replace")] == []
