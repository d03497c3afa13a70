from __future__ import annotations

import pytest

from airflow_provider_wriftai.client.references import ModelReference
from airflow_provider_wriftai.domain.dataset_names import connection_of_uri, model_of_uri, model_uri, service_namespace


def test_a_uri_contains_its_model_and_its_connection() -> None:
    uri = model_uri(ModelReference("acme", "det@1"), watch="1f", connection="team/staging")
    assert uri == "wriftai://acme/det%401?connection=team%2Fstaging&watch=1f"
    assert model_of_uri(uri) == ModelReference("acme", "det@1")
    assert connection_of_uri(uri) == "team/staging"
    assert connection_of_uri("wriftai://acme/det") is None


@pytest.mark.parametrize("uri", ["s3://acme/det", "wriftai://acme", "wriftai://acme/det/more", "wriftai://[acme/det"])
def test_other_uris_name_no_model(uri: str) -> None:
    assert model_of_uri(uri) is None


@pytest.mark.parametrize(
    ("base_url", "namespace"),
    [
        ("https://api.wrift.ai/v1", "wriftai://api.wrift.ai"),
        ("https://api.wrift.ai/v1/", "wriftai://api.wrift.ai"),
        ("http://localhost:8787/generation-2/v1", "wriftai://localhost:8787/generation-2"),
    ],
)
def test_a_service_is_a_namespace(base_url: str, namespace: str) -> None:
    assert service_namespace(base_url) == namespace
