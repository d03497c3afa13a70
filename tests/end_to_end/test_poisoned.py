"""A hostile version of another publisher cannot harm the triggerer or other waits."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.support.polling import until
from tests.support.real_airflow import HAS_STORES, running_airflow
from tests.support.rest_api import until_up
from tests.support.sandbox import Sandbox

_until = partial(until, patience=180.0, every=0.5)

pytestmark = pytest.mark.long

WAITS = ("keys", "keys_on_worker", "listed", "deep", "harmless")


def _nested(levels: int) -> Any:
    value: Any = {}
    for _ in range(levels):
        value = {"items": value}
    return value


def _publish(sandbox: Sandbox, model: str, schema: dict[str, Any]) -> None:
    sandbox.store.create_version(
        *model.split("/"),
        release_notes="poison",
        schemas={"prediction": {"input": schema, "output": {}}},
        container_image_digest="sha256:" + "ab" * 32,
    )


@pytest.mark.skipif(not HAS_STORES, reason="one Airflow is enough; test_serialization.py tests the others")
@pytest.mark.timeout(600)
def test_a_poisoned_version_harms_no_other_wait(sandbox: Sandbox, tmp_path: Path, repository: Path) -> None:
    keys, deep, harmless = (sandbox.new_model(versions=1) for _ in range(3))
    environment = {
        "AIRFLOW_CONN_WRIFTAI_DEFAULT": json.dumps(sandbox.connection()),
        "AIRFLOW_CONN_GENERATION_1": json.dumps(sandbox.connection(host=sandbox.base_url(1))),
        "KEYS": keys,
        "DEEP": deep,
        "HARMLESS": harmless,
    }
    with running_airflow(tmp_path, repository / "tests" / "end_to_end" / "poisoned_dags", environment) as airflow:
        until_up(airflow.url)
        _until(lambda: airflow.fetch("SELECT 1 FROM dag WHERE dag_id = 'poisoned'"))
        airflow.command("dags", "trigger", "poisoned")
        for name in WAITS:
            airflow.until("poisoned", name, "deferred")
        triggerer = airflow.pid("triggerer")
        asset = {"__type": "airflow.sdk.definitions.asset.Asset", "__var": {"name": "a", "uri": "a", "group": "a"}}
        _publish(
            sandbox,
            keys,
            {
                "type": "object",
                "properties": {"__id__": {"type": "string"}, "__classname__": {}, "a": {"default": asset}},
                "default": {"__type": "os.path", "__var": {}},
            },
        )
        _publish(sandbox, deep, _nested(600))
        for name in ("keys", "keys_on_worker", "listed", "deep"):
            airflow.until("poisoned", name, "success")
            assert airflow.result("poisoned", name)["release_notes"] == "poison"
            assert "schemas" not in airflow.result("poisoned", name)
        assert airflow.task("poisoned", "harmless")[0] == "deferred"
        _publish(sandbox, harmless, {"type": "object"})
        airflow.until("poisoned", "harmless", "success")
        airflow.until("poisoned", "read", "success")
        assert airflow.result("poisoned", "read") == ["dict", f"{keys}:2"]
        assert airflow.pid("triggerer") == triggerer
        # A triggerer that failed on the event would have ended, and running_airflow checks that all processes live.
        assert airflow.triggers() == []
