"""Base URLs that lead to the same service."""

from __future__ import annotations

import pytest

from airflow_provider_wriftai.domain.services import is_same_service


@pytest.mark.parametrize(
    "other",
    [
        "https://api.wrift.ai/v1",
        "https://API.wrift.ai/v1",
        "HTTPS://api.wrift.ai/v1",
        "https://api.wrift.ai:443/v1",
        "https://api.wrift.ai./v1",
        "https://api.wrift.ai/v1/",
    ],
)
def test_other_spellings_of_a_url_lead_to_the_same_service(other: str) -> None:
    assert is_same_service("https://api.wrift.ai/v1", other)


@pytest.mark.parametrize(
    "other",
    [
        "",
        "http://api.wrift.ai/v1",
        "https://api.wrift.ai:8443/v1",
        "https://api.wrift.ai/V1",
        "https://api.wrift.ai",
        "https://api2.wrift.ai/v1",
        "https://api.wrift.ai:x/v1",
        "https://[api.wrift.ai/v1",
    ],
)
def test_other_urls_lead_to_other_services(other: str) -> None:
    assert not is_same_service("https://api.wrift.ai/v1", other)
