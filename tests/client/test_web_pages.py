from __future__ import annotations

import pytest

from airflow_provider_wriftai.client.web_pages import page_of

SANDBOX = "http://127.0.0.1:8787/generation-2/v1"
PUBLIC = "https://api.wrift.ai/v1"


@pytest.mark.parametrize(
    ("base_url", "reference", "model", "page"),
    [
        (SANDBOX, "acme/det:7", None, "http://127.0.0.1:8787/models/acme/det/versions/7"),
        (SANDBOX, "acme/det:7", "acme/det", "http://127.0.0.1:8787/models/acme/det/versions/7"),
        (SANDBOX, "some-id", "acme/det", "http://127.0.0.1:8787/models/acme/det"),
        (SANDBOX, None, "acme/det", "http://127.0.0.1:8787/models/acme/det"),
        (SANDBOX, "some-id", None, None),
        (SANDBOX, None, None, None),
        (PUBLIC, "acme/det:7", None, "https://wrift.ai/acme/det"),
        (PUBLIC, None, "ac&me/d\u00e9t", "https://wrift.ai/ac%26me/d%C3%A9t"),
        ("http://[::1]:8787/v1", None, "acme/det", "http://[::1]:8787/models/acme/det"),
    ],
)
def test_the_web_page_of_a_version_or_model(
    base_url: str, reference: str | None, model: str | None, page: str | None
) -> None:
    assert page_of(base_url, reference, model) == page
