"""The command ``python -m airflow_provider_wriftai.sandbox``, run as a process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from airflow_provider_wriftai.sandbox.__main__ import main


@contextmanager
def _running(folder: Path, *arguments: str, token: str | None = None) -> Iterator[dict[str, str]]:
    """Run the command in a folder.

    Yields:
        The values that it prints, by their labels.
    """
    environment = {key: value for key, value in os.environ.items() if key != "WRIFTAI_SANDBOX_TOKEN"}
    if token:
        environment["WRIFTAI_SANDBOX_TOKEN"] = token
    command = [sys.executable, "-m", "airflow_provider_wriftai.sandbox", "--port", "0", *arguments]
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            lines = [process.stdout.readline() for _ in range(4)]
            yield {line.split(":", 1)[0].strip(): line.split(":", 1)[1].strip() for line in lines}
        finally:
            process.send_signal(signal.SIGINT)
    assert process.returncode == 0


def test_it_serves_what_it_prints(tmp_path: Path) -> None:
    with _running(tmp_path, "--model", "acme/det=3", "--client-version", "0.13.0") as printed:
        base_url = printed["API"].split()[0]
        token = printed["token"].split()[0]
        with httpx.Client(base_url=base_url, headers={"authorization": f"Bearer {token}"}) as http:
            assert http.get("/user").json()["username"] == "acme"
            page = http.get("/models/acme/det/versions")
            assert [item["release_notes"] for item in page.json()["items"]] == [
                f"Nightly build {build}" for build in (3, 2, 1)
            ]
            assert "id" in page.json()["items"][0]
            assert page.headers["x-ratelimit-limit"] == "5"
    assert (tmp_path / printed["database"]).exists()


def test_a_token_from_the_environment_is_not_printed(tmp_path: Path) -> None:
    with _running(tmp_path, "--rate-limit", "0", token="s3cret-token") as printed:
        assert "s3cret" not in str(printed)
        response = httpx.get(printed["API"].split()[0] + "/user", headers={"authorization": "Bearer s3cret-token"})
        assert response.status_code == 200
        assert "x-ratelimit-limit" not in response.headers


def test_a_second_start_adds_no_versions(tmp_path: Path) -> None:
    for _ in range(2):
        with _running(tmp_path, "--model", "acme/det=3") as printed:
            page = httpx.get(printed["API"].split()[0] + "/models/acme/det/versions").json()
            assert len(page["items"]) == 3


def test_a_port_in_use_is_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with _running(tmp_path) as printed:
        port = printed["WriftAI sandbox"].rsplit(":", 1)[1]
        assert main(["--port", port, "--database", str(tmp_path / "other.db")]) == 1
    assert f"Cannot listen on 127.0.0.1:{port}" in capsys.readouterr().err


@pytest.mark.parametrize("model", ["det", "/det", "acme/", "a/b/c", "acme/det=x", "acme/det=-1"])
def test_an_invalid_model_is_reported(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--model", model])
    assert "is not OWNER/NAME" in capsys.readouterr().err
