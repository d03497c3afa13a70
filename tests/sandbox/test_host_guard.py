"""Web pages of other sites, open in the developer's browser, cannot use the sandbox."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from airflow_provider_wriftai.client.base_url import is_loopback
from airflow_provider_wriftai.sandbox.app import create_app
from airflow_provider_wriftai.sandbox.server import running
from tests.support.sandbox import Sandbox

OTHER_HOSTS = ("evil.example", "localhost.evil.example", "10.0.0.7", "", "[::2]", "127.0.0.1.nip.io")
OUR_HOSTS = ("localhost", "LocalHost", "127.0.0.1", "127.1.2.3", "[::1]", "sandbox.internal", "[fd00::7]")
PATHS = ("/", "/requests", "/faults", "/v1/user", "/generation-1/v1/user")


@pytest.fixture(scope="module")
def http(sandbox: Sandbox) -> Iterator[httpx.Client]:
    with (
        running(create_app(sandbox.store, allowed_hosts=["Sandbox.internal", "fd00::7"])) as url,
        httpx.Client(base_url=url, headers={"authorization": f"Bearer {sandbox.token}"}) as client,
    ):
        yield client


def _port(http: httpx.Client) -> str:
    return str(http.base_url.port)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("host", OTHER_HOSTS)
def test_another_host_is_refused(http: httpx.Client, path: str, host: str) -> None:
    response = http.get(path, headers={"host": f"{host}:{_port(http)}" if host else ""})
    assert response.status_code == 403
    assert set(response.json()) == {"detail"}


@pytest.mark.parametrize("host", OUR_HOSTS)
def test_loopback_and_allowed_hosts_are_served(http: httpx.Client, host: str) -> None:
    for value in (host, f"{host}:{_port(http)}"):
        assert http.get("/v1/user", headers={"host": value}).status_code == 200


@pytest.mark.parametrize("path", ["/faults", "/faults/release", "/v1/models/acme/none/versions"])
@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost:1", "http://localhost", ""])
def test_a_page_of_another_site_is_refused(http: httpx.Client, path: str, origin: str) -> None:
    response = http.post(path, json={}, headers={"origin": origin, "host": f"localhost:{_port(http)}"})
    assert response.status_code == 403
    assert not [name for name in response.headers if name.startswith("access-control-")]


def test_its_own_pages_are_served(http: httpx.Client) -> None:
    host = f"localhost:{_port(http)}"
    assert http.get("/faults", headers={"origin": f"http://{host}", "host": host}).status_code == 200


@pytest.mark.parametrize(
    ("host", "expected"), [("localhost", True), ("::1", True), ("127.9.9.9", True), ("0.0.0.0", False), ("x", False)]
)
def test_loopback(host: str, expected: bool) -> None:
    assert is_loopback(host) == expected
