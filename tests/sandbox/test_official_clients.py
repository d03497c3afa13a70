"""The unchanged official clients against the sandbox: an independent check that it implements the API."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_wriftai.sandbox.app import create_app
from airflow_provider_wriftai.sandbox.server import running
from airflow_provider_wriftai.sandbox.shapes import SHAPES, shape_of
from tests.support.sandbox import Sandbox

CLIENTS = ("0.7.0", "0.13.0", "0.14.0", "0.20.0", "0.26.0", "0.30.0", "0.32.0", "0.34.0")

WAYS = ("sync", "async")

DriveClient = Callable[[str, str], dict[str, Any]]
Results = Callable[[str], dict[str, Any]]

_BEGIN, _END = "<!-- official clients: begin -->\n", "<!-- official clients: end -->\n"
_UPDATE = "WRIFTAI_UPDATE_DOCS"


@pytest.fixture(scope="module")
def digest() -> str:
    return "sha256:" + "0123456789abcdef" * 4


@pytest.fixture(scope="module")
def drive(sandbox: Sandbox, digest: str) -> DriveClient:
    """Run a release of the official client against a URL, on a model with seven versions."""
    here = Path(__file__)

    def run(client: str, url: str) -> dict[str, Any]:
        owner, name = sandbox.new_model(versions=7).split("/")
        python = here.parents[2] / f".venv-wriftai-{client}" / "bin" / "python"
        assert python.exists(), f"wriftai {client} is not installed. Run 'make test', which installs it."
        base_url = f"{url}/shapes/{shape_of(client).name}/v1"
        arguments = [base_url, sandbox.token, owner, name, digest, "configuration"]
        done = subprocess.run(
            [python, here.with_name("official_client.py"), *arguments], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert sandbox.numbers(f"{owner}/{name}") == list(range(7, 0, -1))
        results: dict[str, Any] = json.loads(done.stdout)
        return results

    return run


@pytest.fixture(scope="module")
def results(sandbox: Sandbox, drive: DriveClient) -> Iterator[Results]:
    """The results of each client if the response to a delete has a body. Each client runs once."""
    with running(create_app(sandbox.store, delete_with_body=True)) as url:
        yield cache(lambda client: drive(client, url))


@pytest.fixture(scope="module")
def without_body(sandbox: Sandbox, drive: DriveClient) -> Results:
    """The results of each client if the response to a delete has no body. Each client runs once."""
    return cache(lambda client: drive(client, sandbox.url))


def test_every_shape_has_a_client() -> None:
    assert {shape_of(client) for client in CLIENTS} == set(SHAPES)


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("way", WAYS)
def test_everything_works(results: Results, digest: str, client: str, way: str) -> None:
    result = results(client)[way]
    assert result["created"]["container_image_digest"] == digest
    assert result["got"]["release_notes"] == "by the official client"
    assert result["got"]["schemas"] == result["created"]["schemas"]
    notes = [item["release_notes"] for item in result["items"]]
    assert notes == ["by the official client", *(f"Nightly build {build}" for build in range(7, 0, -1))]
    assert result["end"] is None
    assert result["deleted"] == "done"
    if "get_configuration" in result["called"]:
        assert result["updated"] == result["configuration"] == {"hardware_identifier": "gpu", "variable_names": ["KEY"]}


@pytest.mark.parametrize("client", CLIENTS)
def test_every_method_of_a_client_is_called(results: Results, client: str) -> None:
    result = results(client)
    assert {method for way in WAYS for method in result[way]["called"]} == set(result["offered"])


@pytest.mark.parametrize("client", CLIENTS)
def test_a_delete_without_a_body_is_executed_but_these_clients_raise(without_body: Results, client: str) -> None:
    assert {without_body(client)[way]["deleted"] for way in WAYS} == {"JSONDecodeError"}


def test_the_table_in_the_documentation_shows_the_results(
    results: Results, without_body: Results, repository: Path
) -> None:
    """Set ``WRIFTAI_UPDATE_DOCS=1`` to update the table."""
    document = repository / "docs" / "sandbox.md"
    before, begin, rest = document.read_text().partition(_BEGIN)
    _, end, after = rest.partition(_END)
    assert begin
    assert end
    written = before + begin + _table(results, without_body) + end + after
    if os.environ.get(_UPDATE):
        document.write_text(written)
    assert document.read_text() == written


def _table(results: Results, without_body: Results) -> str:
    methods = ("create", "list", "get", "update_configuration", "get_configuration", "delete")
    header = ["client", "shape", *(f"`{method}`" for method in methods), "`delete` without a body"]
    rows = [header, ["---"] * len(header)]
    for client in CLIENTS:
        called = {method.removeprefix("async_") for way in WAYS for method in results(client)[way]["called"]}
        works = ["works" if method in called else "–" for method in methods]
        (error,) = {without_body(client)[way]["deleted"] for way in WAYS}
        rows.append([client, shape_of(client).name, *works, f"`{error}`"])
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)
