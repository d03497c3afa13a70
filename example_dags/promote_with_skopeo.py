"""Copy a tested image to the production registry, and publish it by the digest that the copy reports.

Requires skopeo and umoci on the worker, the connection ``wriftai_default``, and the model ``acme/sentiment``. Replace
the local folders with your registries, such as ``docker://staging.example/acme/sentiment:candidate``.
"""

from __future__ import annotations

from datetime import datetime

from airflow_provider_wriftai.operators.versions import WriftAICreateVersionOperator

try:
    from airflow.sdk import dag, task
except ImportError:  # Airflow 2.11
    from airflow.decorators import dag, task


@task.bash
def test_and_promote() -> str:
    """Copy the image; the last line of the output is the path of the digest file."""
    return """
        set -eu
        folder=$(mktemp -d)
        umoci init --layout "$folder/staging"
        umoci new --image "$folder/staging:candidate"
        skopeo copy --digestfile "$folder/digest" "oci:$folder/staging:candidate" "oci:$folder/production:stable"
        echo "$folder/digest"
    """


@dag(schedule=None, start_date=datetime(2026, 1, 1), catchup=False, max_active_runs=1, tags=["wriftai"], doc_md=__doc__)
def promote_with_skopeo() -> None:
    """Define the pipeline."""
    WriftAICreateVersionOperator(
        task_id="publish_version",
        model="acme/sentiment",
        image=test_and_promote(),
        release_notes="Promoted in {{ run_id }}",
        schemas={"prediction": {"input": {"type": "object"}, "output": {"type": "object"}}},
        if_exists="fail",
    )


promote_with_skopeo()
