"""Write builds as the SDKs of Google and Azure return them: ``record_sdk.py FOLDER``.

Needs google-cloud-build and azure-mgmt-containerregistry. The builds are invented, following the references of
the services. Their format (keys, enumerations, missing fields) is that of the SDKs.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from azure.mgmt.containerregistry.v2019_06_01_preview import models
from google.cloud.devtools.cloudbuild_v1.types import Build, BuiltImage, Results

DIGEST = "sha256:" + "ab" * 32
folder = Path(sys.argv[1])


def write(name: str, value: object) -> None:
    """Write a value as JSON."""
    (folder / name).write_text(json.dumps(value, indent=2) + "\n")


name = "registry.example/acme/detector:1.2"
results = Results(images=[BuiltImage(name=name, digest=DIGEST)], build_step_images=["sha256:" + "ef" * 32])
for status in ("SUCCESS", "FAILURE", "WORKING"):
    build = Build(
        id="b6b6", project_id="acme", status=status, images=[name], results=None if status == "WORKING" else results
    )
    write(f"cloud-build-{status.lower()}.json", Build.to_dict(build))
write("cloud-build-rest.json", json.loads(Build.to_json(Build(id="b6b6", status="SUCCESS", results=results))))

image = models.ImageDescriptor(registry="acme.azurecr.io", repository="detector", tag="1.2", digest=DIGEST)
for status in ("Succeeded", "Failed", "Running"):
    run = models.Run(run_id="ca1", status=status, output_images=None if status == "Running" else [image])
    write(f"azure-run-{status.lower()}.json", run.as_dict())
    write(f"azure-run-{status.lower()}-rest.json", run.serialize(keep_readonly=True))
