"""``make ui``: a complete Airflow with the example DAGs, and the sandbox."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.ports import free_port
from tests.support.rest_api import RestAPI

Start = Callable[..., Any]


@pytest.fixture
def ports() -> tuple[int, int]:
    return free_port(), free_port()


def test_it_runs_the_pipeline(start: Start, ports: tuple[int, int], tmp_path: Path) -> None:
    airflow_port, sandbox_port = ports
    with start("ui", "--port", str(airflow_port), "--sandbox-port", str(sandbox_port)) as process:
        output = ""
        while "Stop " not in output:
            line = process.stdout.readline()
            assert line, output
            output += line
        token = json.loads((tmp_path / "secrets.json").read_text())["token"]
        with RestAPI(f"http://localhost:{airflow_port}") as airflow:
            pipeline = airflow.trigger("publish_after_build")
            airflow.until(pipeline, "prune_versions", "success", "failed", "upstream_failed")
            assert set(airflow.states(pipeline).values()) == {"success"}
            assert airflow.result(pipeline, "publish_version")["reference"] == "acme/sentiment:13"
            assert len(airflow.result(pipeline, "prune_versions")["deleted"]) == 8
        assert (
            "acme/sentiment:13" in httpx.get(f"http://localhost:{sandbox_port}/models/acme/sentiment/versions/13").text
        )
    logs = [file for file in tmp_path.rglob("*.log") if file.is_file()]
    assert len(logs) > 8
    assert [str(file) for file in logs if token in file.read_text(errors="replace")] == []
