"""The official clients, unchanged, against the sandbox: independent peers that prove it speaks the API."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_wriftai.sandbox.app import create_app
from airflow_provider_wriftai.sandbox.server import running
from tests.support.sandbox import Sandbox

GENERATIONS = {"0.13.0": 1, "0.34.0": 2}

DriveClient = Callable[[str, str], dict[str, Any]]


@pytest.fixture
def drive(sandbox: Sandbox, repository: Path, digest: str) -> DriveClient:
    """Run the client of a version against a URL, on a model with seven versions."""

    def run(client: str, url: str) -> dict[str, Any]:
        owner, name = sandbox.new_model(versions=7).split("/")
        python = repository / f".venv-wriftai-{client}" / "bin" / "python"
        assert python.exists(), f"the peer wriftai {client} is not installed; 'make test' does that"
        script = Path(__file__).with_name("official_client.py")
        base_url = f"{url}/generation-{GENERATIONS[client]}/v1"
        done = subprocess.run(
            [python, script, base_url, sandbox.token, owner, name, digest], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert sandbox.numbers(f"{owner}/{name}") == list(range(7, 0, -1))
        results: dict[str, Any] = json.loads(done.stdout)
        return results

    return run


@pytest.mark.parametrize("client", GENERATIONS)
@pytest.mark.parametrize("way", ["sync", "async"])
def test_everything_works(sandbox: Sandbox, drive: DriveClient, digest: str, client: str, way: str) -> None:
    with running(create_app(sandbox.store, delete_with_body=True)) as url:
        results = drive(client, url)[way]
    assert results["created"]["container_image_digest"] == digest
    assert results["got"]["release_notes"] == "by the official client"
    assert results["got"]["schemas"] == results["created"]["schemas"]
    notes = [item["release_notes"] for item in results["items"]]
    assert notes == ["by the official client", *(f"Nightly build {build}" for build in range(7, 0, -1))]
    assert results["end"] is None
    assert results["deleted"] == "done"


@pytest.mark.parametrize("client", GENERATIONS)
def test_a_delete_without_a_body_arrives_though_these_clients_stumble_over_the_answer(
    sandbox: Sandbox, drive: DriveClient, client: str
) -> None:
    results = drive(client, sandbox.url)
    assert {results[way]["deleted"] for way in ("sync", "async")} == {"JSONDecodeError"}
