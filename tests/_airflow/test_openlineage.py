"""What OpenLineage is told, and that nobody has to have it."""

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
    """Publish, and give what OpenLineage is told of it."""
    pytest.importorskip("airflow.providers.openlineage")

    def done(model: str, image: Any = DIGEST, **more: Any) -> Any:
        task = WriftAICreateVersionOperator(
            task_id="p", model=model, image=image, release_notes="new", schemas=schemas, **more
        )
        task.execute({})
        return task.get_openlineage_facets_on_complete(None)

    return done


def _image(image: Any, publish: Any, model: str) -> tuple[str, str]:
    (read,) = publish(model, image).inputs
    assert read.facets["version"].datasetVersion == DIGEST
    return read.namespace, read.name


def test_an_image_became_a_version(sandbox: Sandbox, publish: Any) -> None:
    model = sandbox.new_model(versions=2)
    (written,) = publish(model).outputs
    # Staging and production of one model are two datasets.
    assert (written.namespace, written.name) == (f"{sandbox.url.replace('http', 'wriftai')}/generation-2", model)
    assert written.facets["version"].datasetVersion == f"{model}:3"
    assert written.facets["documentation"].description == "new"
    assert written.facets["lifecycleStateChange"].lifecycleStateChange.name == "CREATE"


def test_a_version_that_was_there_was_not_created_again(sandbox: Sandbox, publish: Any) -> None:
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
def test_the_image_is_named_by_its_registry_where_the_build_tells_it(
    sandbox: Sandbox, publish: Any, image: Any, dataset: tuple[str, str]
) -> None:
    assert _image(image, publish, sandbox.new_model()) == dataset


def test_a_builds_file_is_read_once(sandbox: Sandbox, schemas: Any, tmp_path: Path) -> None:
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
def test_a_delete_altered_the_model(sandbox: Sandbox, number: int, changes: list[str]) -> None:
    pytest.importorskip("airflow.providers.openlineage")
    model = sandbox.new_model(versions=3)
    task = WriftAIDeleteVersionOperator(task_id="d", version=f"{model}:{number}")
    task.execute({})
    outputs = task.get_openlineage_facets_on_complete(None).outputs
    assert [each.facets["lifecycleStateChange"].lifecycleStateChange.name for each in outputs] == changes
    assert [each.name for each in outputs] == [model] * len(changes)


def test_a_publish_that_failed_tells_of_nothing(sandbox: Sandbox, schemas: Any) -> None:
    pytest.importorskip("airflow.providers.openlineage")
    task = WriftAICreateVersionOperator(
        task_id="p", model="acme/not-there", image=DIGEST, release_notes="new", schemas=schemas
    )
    with pytest.raises(NotFoundError):
        task.execute({})
    told = task.get_openlineage_facets_on_complete(None)
    assert (told.inputs, told.outputs) == ([], [])


@pytest.mark.parametrize(("dry_run", "changes"), [(True, []), (False, ["ALTER"])])
def test_a_prune_altered_the_model(sandbox: Sandbox, dry_run: bool, changes: list[str]) -> None:
    pytest.importorskip("airflow.providers.openlineage")
    model = sandbox.new_model(versions=3)
    task = WriftAICleanupVersionsOperator(task_id="c", model=model, keep_last=1, dry_run=dry_run)
    task.execute({})
    told = task.get_openlineage_facets_on_complete(None)
    assert [(each.namespace, each.name) for each in told.outputs] == [
        (service_namespace(sandbox.base_url()), model)
    ] * len(changes)
    assert [each.facets["lifecycleStateChange"].lifecycleStateChange.name for each in told.outputs] == changes
    facets = [(facet.deleted, facet.deletedCount) for facet in told.run_facets.values()]
    assert facets == [([f"{model}:1", f"{model}:2"], 2)] * len(changes)


def test_a_prune_that_failed_half_way_tells_of_what_it_did(
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


def test_nobody_has_to_have_it(sandbox: Sandbox, schemas: Any) -> None:
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
