from __future__ import annotations

import time
from email.utils import formatdate
from typing import Any

import pytest

from airflow_provider_wriftai.client.api import API
from airflow_provider_wriftai.client.rate_limit import LONGEST_WAIT, Budget, budget_of, seconds_until_retry
from airflow_provider_wriftai.client.response import Response
from airflow_provider_wriftai.client.versions import Versions
from airflow_provider_wriftai.sandbox.app import create_app
from airflow_provider_wriftai.sandbox.rate_limit import Limit, RateLimit
from airflow_provider_wriftai.sandbox.server import running


def _response(status: int = 429, **headers: str) -> Response:
    return Response(status, {name.replace("_", "-"): value for name, value in headers.items()}, b"")


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry_after": "7"}, 7),
        ({"retry_after": "0"}, 0),
        ({"retry_after": "-5"}, 0),
        ({"retry_after": "1e9"}, LONGEST_WAIT),
        ({"retry_after": "nonsense"}, None),
        ({"retry_after": "inf"}, None),
        ({"retry_after": "nan"}, None),
        ({"x_ratelimit_reset": "12"}, 12),
        ({"x_ratelimit_reset": "0.25"}, 0.25),
        ({"x_ratelimit_reset": ""}, None),
        ({"x_ratelimit_reset": "12", "retry_after": "3"}, 3),
    ],
)
def test_a_number_of_seconds(headers: dict[str, str], seconds: float | None) -> None:
    assert seconds_until_retry(_response(**headers)) == seconds


def test_a_unix_time() -> None:
    seconds = seconds_until_retry(_response(x_ratelimit_reset=f"{time.time() + 20:.3f}"))
    assert seconds == pytest.approx(20, abs=0.5)


def test_an_http_date() -> None:
    seconds = seconds_until_retry(_response(retry_after=formatdate(time.time() + 30, usegmt=True)))
    assert seconds == pytest.approx(30, abs=1.5)


def test_where_the_clocks_differ_the_services_own_counts() -> None:
    there = time.time() + 86400
    headers = {"date": formatdate(there, usegmt=True)}
    assert seconds_until_retry(_response(**headers, x_ratelimit_reset=f"{int(there) + 5}")) == 5
    assert seconds_until_retry(_response(**headers, retry_after=formatdate(there + 5, usegmt=True))) == 5


def test_an_exhausted_budget_makes_the_next_request_wait() -> None:
    budget = Budget()
    assert budget.reserve() == 0
    budget.learn(_response(200, x_ratelimit_remaining="1", x_ratelimit_reset="30"))
    assert budget.reserve() == 0
    budget.learn(_response(200, x_ratelimit_remaining="0", x_ratelimit_reset="30"))
    assert 29 < budget.reserve() < 31


def test_odd_headers_change_nothing() -> None:
    budget = Budget()
    budget.learn(_response(200, x_ratelimit_remaining="many", x_ratelimit_reset="soon"))
    assert budget.reserve() == 0


def test_the_budget_belongs_to_the_token() -> None:
    assert budget_of("https://h/v1", "a") is budget_of("https://h/v1", "a")
    assert budget_of("https://h/v1", "a") is not budget_of("https://h/v1", "b")
    assert budget_of("https://h/v1", "a") is not budget_of("https://h/v1", None)


def test_one_process_under_a_limit_earns_no_429(sandbox: Any) -> None:
    owner, name = sandbox.new_model(versions=1).split("/")
    limit = RateLimit(Limit(per_second=50, burst=5), None)
    with running(create_app(sandbox.store, limit)) as url, API(f"{url}/v1", sandbox.token) as api:
        versions = Versions(api)
        for _ in range(20):
            versions.get(f"{owner}/{name}:1")
    path = f"/v1/models/{owner}/{name}/versions/1"
    assert [entry["status"] for entry in sandbox.store.requests(1000) if entry["path"] == path] == [200] * 20
