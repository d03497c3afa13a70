"""A running prune that somebody marks in Airflow, on real processes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from airflow_provider_wriftai.sandbox.app import create_app
from airflow_provider_wriftai.sandbox.faults import Fault, Faults
from airflow_provider_wriftai.sandbox.seed import seed
from airflow_provider_wriftai.sandbox.server import running
from airflow_provider_wriftai.sandbox.store import Store
from tests.support.polling import until
from tests.support.real_airflow import AIRFLOW_2, running_airflow
from tests.support.rest_api import RestAPI, until_up

TOKEN = "token-of-the-marked-test-5d1n"
MODEL = ("acme", "sentiment")


@pytest.mark.timeout(600)
@pytest.mark.skipif(AIRFLOW_2, reason="Airflow 2 looks at the state itself before it calls back")
def test_a_prune_that_is_marked_as_success_pages_nobody(tmp_path: Path) -> None:
    store = Store(tmp_path / "sandbox.db")
    store.add_token(TOKEN, "acme")
    seed(store, *MODEL, 600)
    faults = Faults()
    faults.add([Fault(method="DELETE", delay=1, times=1000)])
    called_back = tmp_path / "called-back"
    with running(create_app(store, faults=faults)) as sandbox:
        connection = {"conn_type": "wriftai", "host": f"{sandbox}/v1", "password": TOKEN}
        environment = {"AIRFLOW_CONN_WRIFTAI_DEFAULT": json.dumps(connection), "CALLED_BACK": str(called_back)}
        with running_airflow(tmp_path, Path(__file__).parent / "marked_dags", environment) as airflow:
            until_up(airflow.url)
            with RestAPI(airflow.url) as rest:
                rest.until_there("marked_prune")
                run = rest.trigger("marked_prune")
                until(lambda: len(store.versions(*MODEL)) < 590, lambda: rest.states(run))
                rest.mark(run, "prune", "success")
                until(called_back.exists, lambda: rest.log(run, "prune"))
                left = len(store.versions(*MODEL))
                assert rest.states(run) == {"prune": "success"}
                log = rest.log(run, "prune")
    assert called_back.read_text() == "success"
    assert left > 1
    # What had been sent when the signal came may have been carried out, and nothing after it.
    assert left - 16 <= len(store.versions(*MODEL)) <= left
    assert "The task was stopped: " in log
    assert "was marked as success" in log
    store.close()
