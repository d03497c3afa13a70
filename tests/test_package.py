"""The wheel: built from the checkout, and used as installed."""

from __future__ import annotations

import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

import airflow_provider_wriftai


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    repository = Path(__file__).resolve().parent.parent
    # From a copy: building leaves files behind.
    source = tmp_path_factory.mktemp("source") / "checkout"
    tracked = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=repository, capture_output=True, text=True, check=True,
    )  # fmt: skip
    for name in tracked.stdout.splitlines():
        if (repository / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(repository / name, source / name)
    built = tmp_path_factory.mktemp("wheel")
    done = subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--installer", "uv", "--outdir", str(built), str(source)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Warning" not in done.stdout + done.stderr
    (file,) = built.iterdir()
    return file


def test_it_holds_the_package_whole_and_nothing_else(wheel: Path, repository: Path) -> None:
    package = repository / "airflow_provider_wriftai"
    expected = {
        str(file.relative_to(repository))
        for file in package.glob("**/*")
        if file.is_file() and file.suffix in (".py", ".typed", ".html")
    }
    assert "airflow_provider_wriftai/py.typed" in expected
    assert "airflow_provider_wriftai/sandbox/templates/models.html" in expected
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert {name for name in names if ".dist-info/" not in name} == expected


def test_its_metadata(wheel: Path) -> None:
    version = airflow_provider_wriftai.__version__
    assert wheel.name == f"airflow_provider_wriftai-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        folder = f"airflow_provider_wriftai-{version}.dist-info"
        metadata = archive.read(f"{folder}/METADATA").decode()
        assert archive.read(f"{folder}/entry_points.txt").decode().split("\n")[:2] == [
            "[apache_airflow_provider]",
            "provider_info = airflow_provider_wriftai.get_provider_info:get_provider_info",
        ]
        assert "Apache License" in archive.read(f"{folder}/licenses/LICENSE").decode()
    for line in (
        "Name: airflow-provider-wriftai",
        f"Version: {version}",
        "License-Expression: Apache-2.0",
        "Requires-Python: >=3.11",
        "Requires-Dist: apache-airflow>=2.11.0",
        "Provides-Extra: sandbox",
        "Description-Content-Type: text/markdown",
    ):
        assert line in metadata.splitlines()


def test_what_needs_no_airflow_runs_from_the_wheel_alone(wheel: Path, tmp_path: Path) -> None:
    environment = tmp_path / "environment"
    venv.create(environment, with_pip=False, symlinks=True)
    (site_packages,) = environment.glob("lib/python3*/site-packages")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site_packages)
    code = "import airflow_provider_wriftai.get_provider_info as info; print(info.get_provider_info()['package-name'])"
    done = subprocess.run(
        [environment / "bin" / "python", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.stdout == "airflow-provider-wriftai\n", done.stderr
