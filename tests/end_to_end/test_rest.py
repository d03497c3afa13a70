"""The example DAGs on real processes, including the web server, driven over Airflow's REST API."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from airflow_provider_wriftai._airflow.compat import AIRFLOW_VERSION
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
            "AIRFLOW__WEBSERVER__SECRET_KEY": "only for this test",
        }
        web = {"webserver": ["webserver", "--port", str(port), "--hostname", "127.0.0.1", "--workers", "1"]}
        more = web if AIRFLOW_2 else {}
        with running_airflow(tmp_path, repository / "example_dags", environment, more) as airflow:
            if AIRFLOW_2:
                details = ("--firstname", "a", "--lastname", "b", "--role", "Admin", "--email", "a@example.org")
                airflow.command("users", "create", "--username", USER, "--password", PASSWORD, *details)
            url = f"http://127.0.0.1:{port}" if AIRFLOW_2 else airflow.url
            until_up(url)
            with RestAPI(url, (USER, PASSWORD)) as rest:
                for dag in ("publish_after_build", "wait_for_release", "prune_many_models"):
                    rest.until_dag_exists(dag)
                _publish_wait_and_prune(rest, store, sandbox, schemas, digest)
                shows("rest")
                if AIRFLOW_VERSION >= (3, 1):
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

    # Versions 14, 13, …, 9 exist.
    rehearsal = rest.trigger("prune_many_models", keep_last=3, older_than="1s", dry_run=True)
    rest.until(rehearsal, "prune", "success", "failed", "upstream_failed")
    planned = [entry["reference"] for entry in rest.result(rehearsal, "prune", 0)["planned"]]
    assert planned == [f"acme/sentiment:{number}" for number in (9, 10, 11)]
    assert [version.number for version in store.versions(*MODEL)] == [14, 13, 12, 11, 10, 9]


def _prune_after_approval(rest: RestAPI, store: Store, log: Path, schemas: Any, digest: str) -> None:
    """Check that the one version that is due is deleted only after an approval."""
    run = rest.trigger("prune_after_approval")
    rest.until(run, "approve", "deferred", "awaiting_input")
    assert rest.states(run)["prune"] is None
    # Airflow 3.3 fails a task that is approved before its scheduler has noticed the deferral.
    _until_logged(log, "Received executor event with state success", "task_id='approve'")
    # Now version 10 is due too, but the approval does not cover it.
    store.create_version(*MODEL, release_notes="from outside", schemas=schemas, container_image_digest=digest)
    request = rest.approve(run, "approve")
    assert request.startswith("Prune acme/sentiment? Versions to delete: 1")
    assert "| acme/sentiment:9 |" in request
    rest.until(run, "prune", "success", "failed", "upstream_failed", "skipped")
    assert rest.states(run) == {"rehearse": "success", "approve": "success", "prune": "success"}
    assert rest.result(run, "prune")["deleted"] == ["acme/sentiment:9"]


def _until_logged(log: Path, *words: str) -> None:
    """Wait until one line of a log contains all words."""

    def is_logged() -> bool:
        return any(all(word in line for word in words) for line in log.read_text(errors="replace").splitlines())

    until(is_logged, lambda: words, patience=120, every=0.2)
