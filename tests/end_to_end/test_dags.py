"""Whole DAGs, run by Airflow's own command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

RunDag = Callable[..., str]


@pytest.fixture
def run_dag(sandbox: Any, tmp_path: Path) -> RunDag:
    """Run a DAG once in an Airflow home of its own; gives what Airflow said."""

    def run(folder: Path, dag: str, **variables: str) -> str:
        environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("AIRFLOW_")},
            "AIRFLOW_HOME": str(tmp_path / "airflow"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__DAGS_FOLDER": str(folder),
            "AIRFLOW_CONN_WRIFTAI_DEFAULT": json.dumps(sandbox.connection()),
            **variables,
        }
        said = ""
        for command in (["db", "migrate"], ["dags", "test", dag]):
            done = subprocess.run(
                [sys.executable, "-W", "ignore", "-m", "airflow", *command],
                env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
            )  # fmt: skip
            said += done.stdout
            assert done.returncode == 0, said
        assert sandbox.token not in said
        return said

    return run


def test_the_pipeline(sandbox: Any, run_dag: RunDag, repository: Path) -> None:
    sandbox.store.add_model("acme", "sentiment")
    for number in range(7):
        sandbox.store.create_version(
            "acme", "sentiment", release_notes=f"{number}", schemas={}, container_image_digest=f"sha256:{number:064x}"
        )
    run_dag(repository / "example_dags", "publish_after_build")
    versions = sandbox.store.versions("acme", "sentiment")
    assert [version.number for version in versions] == [8, 7, 6, 5, 4]
    assert versions[0].release_notes.startswith("Trained in manual__")


def test_a_wait_in_each_mode(
    sandbox: Any, run_dag: RunDag, schemas: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = sandbox.new_model()
    owner, name = model.split("/")
    looks: Counter[str] = Counter()
    record_request = sandbox.store.record_request

    def publish_after_the_second_look(caller: str, method: str, path: str, status: int) -> None:
        record_request(caller, method, path, status)
        looks[path] += 1
        if status == 404 and looks[path] == 2:
            sandbox.store.create_version(
                owner, name, release_notes="x", schemas=schemas, container_image_digest=f"sha256:{len(looks):064x}"
            )

    monkeypatch.setattr(sandbox.store, "record_request", publish_after_the_second_look)
    results = tmp_path / "results.json"
    run_dag(Path(__file__).parent / "dags", "three_modes", MODEL=model, RESULTS=str(results))
    assert [version["reference"] for version in json.loads(results.read_text())] == [
        f"{model}:1",
        f"{model}:2",
        f"{model}:3",
    ]
    assert set(looks.values()) == {3}
