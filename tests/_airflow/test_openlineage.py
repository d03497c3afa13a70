"""The lineage of tasks. OpenLineage is optional."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_wriftai.assets.models import convert_asset_to_openlineage, model_asset
from airflow_provider_wriftai.client.errors import NotFoundError
from airflow_provider_wriftai.domain.dataset_names import service_namespace
from airflow_provider_wriftai.domain.retention.errors import PruneIncompleteError
from airflow_provider_wriftai.operators.cleanup import WriftAICleanupVersionsOperator
from airflow_provider_wriftai.operators.versions import WriftAICreateVersionOperator, WriftAIDeleteVersionOperator
from airflow_provider_wriftai.sandbox.faults import Fault, Faults
from tests.support.sandbox import Sandbox

DIGEST = "sha256:" + "5e" * 32


@pytest.fixture(autouse=True)
def _connection(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_WRIFTAI_DEFAULT", json.dumps(sandbox.connection()))


@pytest.fixture
def publish(schemas: Any) -> Any:
    """Return a function that publishes an image and returns the lineage of the task."""
    pytest.importorskip("airflow.providers.openlineage")

    def publish_image(model: str, image: Any = DIGEST, **parameters: Any) -> Any:
        task = WriftAICreateVersionOperator(
            task_id="p", model=model, image=image, release_notes="new", schemas=schemas, **parameters
        )
        task.execute({})
        return task.get_openlineage_facets_on_complete(None)

    return publish_image


def _find_input(image: Any, publish: Any, model: str) -> tuple[str, str]:
    (read,) = publish(model, image).inputs
    assert read.facets["version"].datasetVersion == DIGEST
    return read.namespace, read.name


def test_a_publish_reports_that_the_version_was_created(sandbox: Sandbox, publish: Any) -> None:
    model = sandbox.new_model(versions=2)
    (written,) = publish(model).outputs
    # Staging and production of one model are two datasets.
    assert (written.namespace, written.name) == (f"{sandbox.url.replace('http', 'wriftai')}/generation-2", model)
    assert written.facets["version"].datasetVersion == f"{model}:3"
    assert written.facets["documentation"].description == "new"
    assert written.facets["lifecycleStateChange"].lifecycleStateChange.name == "CREATE"


def test_a_reused_version_is_not_reported_as_created(sandbox: Sandbox, publish: Any) -> None:
    model = sandbox.new_model()
    publish(model)
    (written,) = publish(model).outputs
    assert written.facets["version"].datasetVersion == f"{model}:1"
    assert "lifecycleStateChange" not in written.facets


@pytest.mark.parametrize(
    ("image", "dataset"),
    [
        (DIGEST, ("oci", DIGEST)),
        (f"registry.example:5000/acme/detector@{DIGEST}", ("oci://registry.example:5000", "acme/detector")),
        (f"localhost/detector:1.2@{DIGEST}", ("oci://localhost", "detector")),
        (f"detector@{DIGEST}", ("oci", DIGEST)),
        (
            {"containerimage.digest": DIGEST, "image.name": "registry.example/acme/detector:1.2"},
            ("oci://registry.example", "acme/detector"),
        ),
        (
            {
                "manifests": [
                    {
                        "mediaType": "application/vnd.oci.image.manifest.v1+json",
                        "digest": DIGEST,
                        "platform": {"os": "linux", "architecture": "amd64"},
                    }
                ]
            },
            ("oci", DIGEST),
        ),
    ],
)
def test_the_dataset_of_an_image_is_named_after_its_registry_if_that_is_known(
    sandbox: Sandbox, publish: Any, image: Any, dataset: tuple[str, str]
) -> None:
    assert _find_input(image, publish, sandbox.new_model()) == dataset


def test_the_file_of_a_build_is_read_once(sandbox: Sandbox, schemas: Any, tmp_path: Path) -> None:
    pytest.importorskip("airflow.providers.openlineage")
    file = tmp_path / "digest"
    file.write_text(f"registry.example/detector@{DIGEST}")
    task = WriftAICreateVersionOperator(
        task_id="p", model=sandbox.new_model(), image=str(file), release_notes="new", schemas=schemas
    )
    task.execute({})
    file.unlink()
    (read,) = task.get_openlineage_facets_on_complete(None).inputs
    assert (read.namespace, read.name) == ("oci://registry.example", "detector")
    assert read.facets["version"].datasetVersion == DIGEST


@pytest.mark.parametrize(("number", "changes"), [(2, ["ALTER"]), (7, [])])
def test_a_delete_reports_that_the_model_was_altered(sandbox: Sandbox, number: int, changes: list[str]) -> None:
    pytest.importorskip("airflow.providers.openlineage")
    model = sandbox.new_model(versions=3)
    task = WriftAIDeleteVersionOperator(task_id="d", version=f"{model}:{number}")
    task.execute({})
    outputs = task.get_openlineage_facets_on_complete(None).outputs
    assert [each.facets["lifecycleStateChange"].lifecycleStateChange.name for each in outputs] == changes
    assert [each.name for each in outputs] == [model] * len(changes)


def test_a_failed_publish_reports_no_datasets(schemas: Any) -> None:
    pytest.importorskip("airflow.providers.openlineage")
    task = WriftAICreateVersionOperator(
        task_id="p", model="acme/not-there", image=DIGEST, release_notes="new", schemas=schemas
    )
    with pytest.raises(NotFoundError):
        task.execute({})
    lineage = task.get_openlineage_facets_on_complete(None)
    assert (lineage.inputs, lineage.outputs) == ([], [])


@pytest.mark.parametrize(("dry_run", "changes"), [(True, []), (False, ["ALTER"])])
def test_a_prune_reports_that_the_model_was_altered(sandbox: Sandbox, dry_run: bool, changes: list[str]) -> None:
    pytest.importorskip("airflow.providers.openlineage")
    model = sandbox.new_model(versions=3)
    task = WriftAICleanupVersionsOperator(task_id="c", model=model, keep_last=1, dry_run=dry_run)
    task.execute({})
    lineage = task.get_openlineage_facets_on_complete(None)
    assert [(each.namespace, each.name) for each in lineage.outputs] == [
        (service_namespace(sandbox.base_url()), model)
    ] * len(changes)
    assert [each.facets["lifecycleStateChange"].lifecycleStateChange.name for each in lineage.outputs] == changes
    facets = [(facet.deleted, facet.deletedCount) for facet in lineage.run_facets.values()]
    assert facets == [([f"{model}:1", f"{model}:2"], 2)] * len(changes)


def test_a_prune_that_fails_halfway_reports_what_it_deleted(
    sandbox: Sandbox, faulty: tuple[str, Faults], faults: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("airflow.providers.openlineage")
    model = sandbox.new_model(versions=3)
    connection = sandbox.connection(host=f"{faulty[0]}/v1", extra={"retry_attempts": 1})
    monkeypatch.setenv("AIRFLOW_CONN_WRIFTAI_DEFAULT", json.dumps(connection))
    faults.add([Fault(method="DELETE", status=500, execute="never")])
    task = WriftAICleanupVersionsOperator(task_id="c", model=model, keep_last=1)
    context: Any = {"ti": type("TaskInstance", (), {"xcom_push": lambda *_, **__: None})()}
    with pytest.raises(PruneIncompleteError):
        task.execute(context)
    assert [each.name for each in task.get_openlineage_facets_on_complete(None).outputs] == [model]


def test_the_asset_of_a_model_is_the_same_dataset(sandbox: Sandbox) -> None:
    pytest.importorskip("airflow.providers.openlineage")
    dataset = convert_asset_to_openlineage(model_asset("acme/detector"), None)
    assert dataset is not None
    assert (dataset.namespace, dataset.name) == (service_namespace(sandbox.base_url()), "acme/detector")


def test_tasks_run_without_openlineage(sandbox: Sandbox, schemas: Any) -> None:
    model = sandbox.new_model(versions=3)
    code = f"""
import sys
sys.modules["openlineage"] = None
from airflow_provider_wriftai.domain.dataset_names import service_namespace
from airflow_provider_wriftai.assets.models import model_asset
from airflow_provider_wriftai.operators.cleanup import WriftAICleanupVersionsOperator
from airflow_provider_wriftai.operators.versions import WriftAICreateVersionOperator
model_asset("{model}")
WriftAICreateVersionOperator(
    task_id="p", model="{model}", image="{DIGEST}", release_notes="new", schemas={schemas!r}
).execute({{}})
WriftAICleanupVersionsOperator(task_id="c", model="{model}", keep_last=1).execute({{}})
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, capture_output=True)
    assert sandbox.numbers(model) == [4]
