"""The example DAGs on real processes, web server included, used over the REST API as a user's system would."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from airflow_provider_wriftai._airflow.compat import AIRFLOW_V_3_1_PLUS
from airflow_provider_wriftai.sandbox.app import create_app
from airflow_provider_wriftai.sandbox.seed import seed
from airflow_provider_wriftai.sandbox.server import running
from airflow_provider_wriftai.sandbox.store import Store
from tests.support.polling import until
from tests.support.ports import free_port
from tests.support.real_airflow import AIRFLOW_2, one_task_at_a_time, running_airflow
from tests.support.rest_api import RestAPI, until_up

USER, PASSWORD = "admin", "of-this-test-9x2k"
MODEL = ("acme", "sentiment")
OLD_VERSIONS = 12


@pytest.mark.timeout(900)
@pytest.mark.skipif(one_task_at_a_time(), reason="Airflow 2 without PostgreSQL runs one process at a time")
def test_the_example_dags_over_the_rest_api(
    tmp_path: Path, repository: Path, schemas: Any, digest: str, shows: Callable[[str], None]
) -> None:
    token = "token-of-the-rest-test-4h7q"
    store = Store(tmp_path / "sandbox.db")
    store.add_token(token, "acme")
    seed(store, *MODEL, OLD_VERSIONS)
    port = free_port()
    with running(create_app(store)) as sandbox:
        environment = {
            "AIRFLOW_CONN_WRIFTAI_DEFAULT": json.dumps(
                {"conn_type": "wriftai", "host": f"{sandbox}/v1", "password": token}
            ),
            "AIRFLOW__API__AUTH_BACKENDS": "airflow.api.auth.backend.basic_auth",
            "AIRFLOW__WEBSERVER__BASE_URL": f"http://localhost:{port}",
            "AIRFLOW__WEBSERVER__SECRET_KEY": "of this test alone",
        }
        web = {"webserver": ["webserver", "--port", str(port), "--hostname", "127.0.0.1", "--workers", "1"]}
        more = web if AIRFLOW_2 else {}
        with running_airflow(tmp_path, repository / "example_dags", environment, more) as airflow:
            if AIRFLOW_2:
                about = ("--firstname", "a", "--lastname", "b", "--role", "Admin", "--email", "a@example.org")
                airflow.command("users", "create", "--username", USER, "--password", PASSWORD, *about)
            url = f"http://127.0.0.1:{port}" if AIRFLOW_2 else airflow.url
            until_up(url)
            with RestAPI(url, (USER, PASSWORD)) as rest:
                for dag in ("publish_after_build", "wait_for_release", "prune_many_models"):
                    rest.until_there(dag)
                _publish_wait_and_prune(rest, store, sandbox, schemas, digest)
                shows("rest")
                if AIRFLOW_V_3_1_PLUS:
                    _prune_after_approval(rest, store, airflow.home / "scheduler.log", schemas, digest)
                    shows("approval")
    store.close()
    logs = [file for file in tmp_path.rglob("*.log") if file.is_file()]
    assert len(logs) > 5
    assert [str(file) for file in logs if token in file.read_text(errors="replace")] == []


def _publish_wait_and_prune(rest: RestAPI, store: Store, sandbox: str, schemas: Any, digest: str) -> None:
    waiting = rest.trigger("wait_for_release", version="acme/sentiment:14")
    rest.until(waiting, "wait_for_version", "deferred")

    pipeline = rest.trigger("publish_after_build")
    rest.until(pipeline, "prune_versions", "success", "failed", "upstream_failed")
    assert set(rest.states(pipeline).values()) == {"success"}
    assert rest.result(pipeline, "publish_version")["reference"] == "acme/sentiment:13"
    assert rest.result(pipeline, "wait_for_version")["reference"] == "acme/sentiment:13"
    for task in ("publish_version", "wait_for_version"):
        link = rest.link(pipeline, task)
        assert link == f"{sandbox}/models/acme/sentiment/versions/13"
        assert "acme/sentiment:13" in httpx.get(link).text
    assert rest.link(pipeline, "prune_versions") == f"{sandbox}/models/acme/sentiment"
    assert rest.result(pipeline, "prune_versions")["deleted"] == [f"acme/sentiment:{number}" for number in range(1, 9)]
    assert "Created acme/sentiment:13" in rest.log(pipeline, "publish_version")

    assert rest.states(waiting)["wait_for_version"] == "deferred"
    store.create_version(*MODEL, release_notes="from outside", schemas=schemas, container_image_digest=digest)
    rest.until(waiting, "report", "success", "failed", "upstream_failed")
    assert rest.result(waiting, "report") == "acme/sentiment:14: from outside"

    # 14, 13, …, 9 are there.
    rehearsing = rest.trigger("prune_many_models", keep_last=3, older_than="1s", dry_run=True)
    rest.until(rehearsing, "prune", "success", "failed", "upstream_failed")
    planned = [entry["reference"] for entry in rest.result(rehearsing, "prune", 0)["planned"]]
    assert planned == [f"acme/sentiment:{number}" for number in (9, 10, 11)]
    assert [version.number for version in store.versions(*MODEL)] == [14, 13, 12, 11, 10, 9]


def _prune_after_approval(rest: RestAPI, store: Store, log: Path, schemas: Any, digest: str) -> None:
    """One of the six is due, and goes only once somebody approves."""
    asking = rest.trigger("prune_after_approval")
    rest.until(asking, "approve", "deferred", "awaiting_input")
    assert rest.states(asking)["prune"] is None
    # Airflow 3.3 fails a task that is answered before its scheduler has heard that it paused.
    _until_said(log, "Received executor event with state success", "task_id='approve'")
    # Now 10 is due too, but nobody was asked about it.
    store.create_version(*MODEL, release_notes="from outside", schemas=schemas, container_image_digest=digest)
    asked = rest.approve(asking, "approve")
    assert asked.startswith("Delete 1 versions of acme/sentiment?")
    assert "| acme/sentiment:9 |" in asked
    rest.until(asking, "prune", "success", "failed", "upstream_failed", "skipped")
    assert rest.states(asking) == {"rehearse": "success", "approve": "success", "prune": "success"}
    assert rest.result(asking, "prune")["deleted"] == ["acme/sentiment:9"]


def _until_said(log: Path, *words: str) -> None:
    def said() -> bool:
        return any(all(word in line for word in words) for line in log.read_text(errors="replace").splitlines())

    until(said, lambda: words, patience=120, every=0.2)
