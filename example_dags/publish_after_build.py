"""Build an image, publish it as a version, wait until it exists, and prune old versions.

Requires the connection ``wriftai_default`` and the model ``acme/sentiment``; ``make demo`` and ``make ui`` provide
both.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any

from airflow_provider_wriftai.operators.cleanup import WriftAICleanupVersionsOperator
from airflow_provider_wriftai.operators.versions import WriftAICreateVersionOperator
from airflow_provider_wriftai.sensors.versions import WriftAIVersionSensor

try:
    from airflow.sdk import dag, task
except ImportError:  # Airflow 2.11
    from airflow.decorators import dag, task

MODEL = "acme/sentiment"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"

SCHEMAS = {
    "prediction": {
        "input": {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]},
        "output": {"type": "object", "properties": {"label": {"type": "string"}}, "required": ["label"]},
    }
}


def write_blob(layout: Path, content: bytes, media_type: str) -> dict[str, Any]:
    """Write a blob to an OCI image layout, and return its descriptor."""
    digest = hashlib.sha256(content).hexdigest()
    blobs = layout / "blobs" / "sha256"
    blobs.mkdir(parents=True, exist_ok=True)
    (blobs / digest).write_bytes(content)
    return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(content)}


@task
def build_image(trained_in: str) -> str:
    """Build the model's image as an OCI image layout, and return the folder.

    Replace this with your build: Buildx, buildah, or kaniko. The operator reads their output directly.
    """
    layout = Path(tempfile.mkdtemp(prefix="image-"))
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as archive:
        for name, text in (("predict.py", "def predict(text): ..."), ("weights.txt", f"trained in {trained_in}")):
            entry = tarfile.TarInfo(f"app/{name}")
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Entrypoint": ["python", "/app/predict.py"]},
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer.getvalue()).hexdigest()]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": write_blob(layout, json.dumps(config).encode(), CONFIG),
        "layers": [write_blob(layout, layer.getvalue(), LAYER)],
    }
    descriptor = write_blob(layout, json.dumps(manifest).encode(), MANIFEST)
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [descriptor]}))
    (layout / "oci-layout").write_text(json.dumps({"imageLayoutVersion": "1.0.0"}))
    return str(layout)


@dag(schedule=None, start_date=datetime(2026, 1, 1), catchup=False, max_active_runs=1, tags=["wriftai"], doc_md=__doc__)
def publish_after_build() -> None:
    """Define the pipeline."""
    publish = WriftAICreateVersionOperator(
        task_id="publish_version",
        model=MODEL,
        image=build_image("{{ run_id }}"),
        release_notes="Trained in {{ run_id }}",
        schemas=SCHEMAS,
    )
    wait = WriftAIVersionSensor(
        task_id="wait_for_version",
        version="{{ ti.xcom_pull(task_ids='publish_version')['reference'] }}",
        deferrable=True,
        poke_interval=5,
        timeout=600,
    )
    prune = WriftAICleanupVersionsOperator(task_id="prune_versions", model=MODEL, keep_last=5)

    publish >> wait >> prune


publish_after_build()
