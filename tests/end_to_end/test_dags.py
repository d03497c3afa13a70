"""Complete DAGs, run with ``airflow dags test``."""

from __future__ import annotations

import json
import os
import runpy
import shutil
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_wriftai.domain.dataset_names import service_namespace
from tests.support.sandbox import Sandbox

RunDag = Callable[..., str]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An ``AIRFLOW_HOME`` with a database."""
    folder = tmp_path_factory.mktemp("airflow")
    _airflow(["db", "migrate"], {**_environment(), "AIRFLOW_HOME": str(folder)})
    return folder


@pytest.fixture
def run_dag(sandbox: Sandbox, home: Path) -> RunDag:
    """Run a DAG once and return the output of Airflow."""

    def run(folder: Path, dag: str, conf: Any = None, *, may_fail: bool = False, **variables: str) -> str:
        environment = {
            **_environment(),
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__DAGS_FOLDER": str(folder),
            "AIRFLOW_CONN_WRIFTAI_DEFAULT": json.dumps(sandbox.connection()),
            **variables,
        }
        command = ["dags", "test", dag, *(["--conf", json.dumps(conf)] if conf else [])]
        output = _airflow(command, environment, may_fail=may_fail)
        # Airflow 3.0 prints its own request to mask the token when it tests a DAG.
        assert sandbox.token not in "".join(line for line in output.splitlines() if "MaskSecret(" not in line)
        return output

    return run


def _environment() -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if not key.startswith("AIRFLOW_")}


def _airflow(command: list[str], environment: dict[str, str], *, may_fail: bool = False) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "airflow", *command],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    assert may_fail or done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture
def sentiment(sandbox: Sandbox) -> Callable[[], list[Any]]:
    """Empty the model of the example DAGs; the fixture returns its versions, newest first."""
    sandbox.store.add_model("acme", "sentiment")
    for version in sandbox.store.versions("acme", "sentiment"):
        sandbox.store.delete_version(version)
    return lambda: sandbox.store.versions("acme", "sentiment")


def test_the_pipeline(
    sandbox: Sandbox,
    run_dag: RunDag,
    repository: Path,
    sentiment: Callable[[], list[Any]],
    shows: Callable[[str], None],
) -> None:
    numbers = [
        sandbox.store.create_version(
            "acme", "sentiment", release_notes=f"{number}", schemas={}, container_image_digest=f"sha256:{number:064x}"
        ).number
        for number in range(7)
    ]
    run_dag(repository / "example_dags", "publish_after_build")
    versions = sentiment()
    assert [version.number for version in versions] == [numbers[-1] + 1, *reversed(numbers[-4:])]
    assert versions[0].release_notes.startswith("Trained in manual__")
    shows("pipeline")


@pytest.mark.parametrize(
    ("dag", "notes", "tools"),
    [
        ("publish_from_buildah", "Built by buildah in manual__", ["buildah"]),
        ("promote_with_skopeo", "Promoted in manual__", ["skopeo", "umoci"]),
        ("publish_from_xcom", "Sentiment model, built in manual__", []),
    ],
)
def test_an_image_of_another_tool_is_published(
    run_dag: RunDag, repository: Path, sentiment: Callable[[], list[Any]], dag: str, notes: str, tools: list[str]
) -> None:
    if missing := [tool for tool in tools if shutil.which(tool) is None]:
        pytest.skip(f"not on this machine: {', '.join(missing)}")
    output = run_dag(repository / "example_dags", dag)
    (version,) = sentiment()
    assert version.release_notes.startswith(notes)
    assert f"no version of {version.container_image_digest} exists" in output
    assert version.schemas["prediction"]["input"]["type"] == "object"


def test_a_version_is_moved_to_larger_hardware(
    run_dag: RunDag, repository: Path, sentiment: Callable[[], list[Any]]
) -> None:
    run_dag(repository / "example_dags", "move_to_larger_hardware")
    (version,) = sentiment()
    assert version.configuration["hardware_identifier"] == "gpu-1"


def test_rules_from_a_dags_params(
    sandbox: Sandbox, run_dag: RunDag, repository: Path, sentiment: Callable[[], list[Any]]
) -> None:
    oldest = datetime.now(UTC) - timedelta(days=40)
    for number in range(8):
        sandbox.store.create_version(
            "acme", "sentiment", release_notes="Release 2" if number == 2 else "nightly", schemas={},
            container_image_digest=f"sha256:{number:064x}", created_at=oldest + timedelta(days=number),
        )  # fmt: skip
    before = [version.number for version in sentiment()]
    folder = repository / "example_dags"
    run_dag(folder, "prune_many_models", conf={"keep_last": 2, "older_than": "1d", "dry_run": True})
    assert [version.number for version in sentiment()] == before
    output = run_dag(folder, "prune_many_models", conf={"keep_last": 2, "older_than": "1d"})
    left = [version.number for version in sentiment()]
    # The newest two, the one with protected release notes, and version 1, which is pinned, if it still exists.
    assert left == [number for number in before if number in (before[0], before[1], before[-3], 1)]
    assert "protected: its release notes match '(?i)release'" in output


def test_a_mapped_task_publishes_every_image_of_another_task(sandbox: Sandbox, run_dag: RunDag) -> None:
    model = sandbox.new_model()
    run_dag(Path(__file__).parent / "dags", "mapped", MODEL=model, RESULTS="unused")
    versions = sandbox.store.versions(*model.split("/"))
    assert sorted(version.release_notes for version in versions) == ["Number 0", "Number 1", "Number 2"]
    assert versions[0].schemas["prediction"]["input"] == {"title": "mapped"}


def test_an_empty_rule_fails_a_mapped_prune(sandbox: Sandbox, run_dag: RunDag, tmp_path: Path) -> None:
    model = sandbox.new_model(versions=3)
    results = tmp_path / "results.txt"
    output = run_dag(Path(__file__).parent / "dags", "mapped_nothing", MODEL=model, RESULTS=str(results))
    assert results.read_text() == "all failed"
    assert output.count("rendered to an empty value") >= 5
    assert sandbox.numbers(model) == [3, 2, 1]


def test_a_wait_has_the_same_outcome_in_every_mode(
    sandbox: Sandbox, run_dag: RunDag, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = sandbox.new_model(versions=3)
    sandbox.delete(model, 2)
    monkeypatch.setenv("MODEL", model)
    folder = Path(__file__).parent / "dags"
    run_dag(
        folder,
        "modes",
        may_fail=True,
        MODEL=model,
        RESULTS="unused",
        AIRFLOW_CONN_REFUSED=json.dumps(sandbox.connection(password="wrong-token")),
        AIRFLOW_CONN_DOWN=json.dumps(sandbox.connection(host="http://127.0.0.1:1", extra={"retry_attempts": 1})),
    )
    table = runpy.run_path(str(folder / "modes.py"))
    expected = {f"{case}-{mode}": state for case, (_, state) in table["CASES"].items() for mode in table["MODES"]}
    with closing(sqlite3.connect(home / "airflow.db")) as database:
        states = dict(database.execute("SELECT task_id, state FROM task_instance WHERE dag_id = 'modes'"))
    assert states == expected


def test_a_wait_returns_the_version_in_every_mode(
    sandbox: Sandbox, run_dag: RunDag, schemas: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    shows: Callable[[str], None],
) -> None:  # fmt: skip
    model = sandbox.new_model()
    owner, name = model.split("/")
    polls: Counter[int] = Counter()
    record_request = sandbox.store.record_request

    def publish_after_the_second_poll(caller: str, method: str, path: str, status: int) -> None:
        record_request(caller, method, path, status)
        count = len(sandbox.numbers(model))
        polls[count] += path.endswith(f"/{model}/versions")
        if polls[count] == 2 and count < 3:
            sandbox.store.create_version(
                owner, name, release_notes="x", schemas=schemas, container_image_digest=f"sha256:{count:064x}"
            )

    monkeypatch.setattr(sandbox.store, "record_request", publish_after_the_second_poll)
    results = tmp_path / "results.json"
    run_dag(Path(__file__).parent / "dags", "three_modes", MODEL=model, RESULTS=str(results))
    assert [version["reference"] for version in json.loads(results.read_text())] == [
        f"{model}:1",
        f"{model}:2",
        f"{model}:3",
    ]
    shows("every mode")


def test_openlineage_receives_the_events(
    sandbox: Sandbox, run_dag: RunDag, repository: Path, tmp_path: Path, shows: Callable[[str], None]
) -> None:
    pytest.importorskip("airflow.providers.openlineage")
    model, file = sandbox.new_model(versions=2), tmp_path / "events"
    transport = json.dumps({"type": "file", "log_file_path": str(file), "append": True})
    run_dag(
        repository / "tests" / "end_to_end" / "dags", "lineage", MODEL=model, AIRFLOW__OPENLINEAGE__TRANSPORT=transport
    )
    assert sandbox.token not in file.read_text()
    events = [json.loads(line) for line in file.read_text().splitlines()]
    completed = {event["job"]["name"]: event for event in events if event["eventType"] == "COMPLETE"}
    (image,), (published,) = completed["lineage.publish"]["inputs"], completed["lineage.publish"]["outputs"]
    assert (image["namespace"], image["name"]) == ("oci://registry.example", "acme/detector")
    assert (published["namespace"], published["name"]) == (service_namespace(sandbox.base_url()), model)
    assert published["facets"]["version"]["datasetVersion"] == f"{model}:3"
    (pruned,) = completed["lineage.prune"]["outputs"]
    assert pruned["facets"]["lifecycleStateChange"]["lifecycleStateChange"] == "ALTER"
    shows("lineage")
