"""Build an image with buildah, push it, and publish it by the digest file that the push writes.

Requires buildah on the worker, the connection ``wriftai_default``, and the model ``acme/sentiment``. Replace the local
folder with your registry, such as ``docker://registry.example/acme/sentiment``. Podman works the same way, with
``podman build`` and ``podman push --digestfile``.
"""

from __future__ import annotations

from datetime import datetime

from airflow_provider_wriftai.operators.versions import WriftAICreateVersionOperator

try:
    from airflow.sdk import dag, task
except ImportError:  # Airflow 2.11
    from airflow.decorators import dag, task


@task.bash
def build_and_push() -> str:
    """Build and push; the last line of the output is the path of the digest file."""
    return """
        set -eu
        folder=$(mktemp -d)
        echo 'def predict(text): ...' > "$folder/predict.py"
        printf '%s\\n' 'FROM scratch' 'COPY predict.py /app/' 'ENTRYPOINT ["python", "/app/predict.py"]' \
            > "$folder/Containerfile"
        buildah build --tag acme/sentiment "$folder"
        buildah push --digestfile "$folder/digest" acme/sentiment "oci:$folder/pushed"
        echo "$folder/digest"
    """


@dag(schedule=None, start_date=datetime(2026, 1, 1), catchup=False, max_active_runs=1, tags=["wriftai"], doc_md=__doc__)
def publish_from_buildah() -> None:
    """Define the pipeline."""
    WriftAICreateVersionOperator(
        task_id="publish_version",
        model="acme/sentiment",
        image=build_and_push(),
        release_notes="Built by buildah in {{ run_id }}",
        schemas={"prediction": {"input": {"type": "object"}, "output": {"type": "object"}}},
    )


publish_from_buildah()
