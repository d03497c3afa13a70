"""The files of a release: built from the checkout, checked as a package index checks them, and installed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from email.message import Message
from email.parser import BytesParser
from pathlib import Path

import pytest

import airflow_provider_wriftai

VERSION = airflow_provider_wriftai.__version__
ROOT = Path(__file__).resolve().parent.parent
TOOLS = ROOT / ".venv-release" / "bin"
UV = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
NOT_DISTRIBUTED = {".gitignore", ".ci/run"}
"""Tracked files that are only useful in the repository."""

pytestmark = pytest.mark.skipif(UV is None, reason="uv is only installed with one version of Airflow")


def _tracked() -> list[str]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


def _repository_url() -> str:
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    url: str = tools["airflow-provider-wriftai"]["repository"]
    return url


def _tool(name: str) -> str:
    found = shutil.which(name, path=f"{TOOLS}{os.pathsep}{os.environ['PATH']}")
    if found is None:
        pytest.skip(f"{name} is not installed: make test-newest installs it")
    return found


def _run(*command: str | Path, cwd: Path = ROOT) -> str:
    done = subprocess.run(
        command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        env={key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    return done.stdout


def _build(source: Path, folder: Path, kind: str) -> tuple[Path, str]:
    output = _run(str(UV), "build", kind, "--python", sys.executable, "--out-dir", str(folder), str(source))
    (file,) = (file for file in folder.iterdir() if file.name.startswith("airflow_provider_wriftai"))
    return file, output


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the checkout, because a build leaves files behind."""
    copy = tmp_path_factory.mktemp("source") / "checkout"
    for name in _tracked():
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, copy / name)
    return copy


@pytest.fixture(scope="module")
def sdist(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file, output = _build(checkout, tmp_path_factory.mktemp("sdist"), "--sdist")
    assert "warning" not in output.lower(), output
    return file


@pytest.fixture(scope="module")
def wheel(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file, output = _build(checkout, tmp_path_factory.mktemp("wheel"), "--wheel")
    assert "warning" not in output.lower(), output
    return file


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        return BytesParser().parsebytes(archive.read(f"airflow_provider_wriftai-{VERSION}.dist-info/METADATA"))


def _contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_the_wheel_contains_the_whole_package_and_nothing_else(wheel: Path) -> None:
    expected = {
        name
        for name in _tracked()
        if name.startswith("airflow_provider_wriftai/") and name.endswith((".py", ".typed", ".html"))
    }
    assert "airflow_provider_wriftai/py.typed" in expected
    assert "airflow_provider_wriftai/sandbox/templates/models.html" in expected
    assert {name for name in _contents(wheel) if ".dist-info/" not in name} == expected


def test_the_sdist_is_complete(sdist: Path) -> None:
    """It contains everything in the repository, including tests, documentation, and examples."""
    with tarfile.open(sdist) as archive:
        names = {member.name.partition("/")[2] for member in archive.getmembers() if member.isfile()}
    assert set(_tracked()) - names == NOT_DISTRIBUTED
    generated = {name for name in names - set(_tracked()) if ".egg-info/" not in name}
    assert generated == {"PKG-INFO"}


def test_the_sdist_and_the_checkout_build_the_same_wheel(sdist: Path, wheel: Path, tmp_path: Path) -> None:
    from_sdist, _ = _build(sdist, tmp_path, "--wheel")
    assert from_sdist.name == wheel.name
    assert _contents(from_sdist) == _contents(wheel)


def test_its_metadata(wheel: Path, metadata: Message) -> None:
    assert wheel.name == f"airflow_provider_wriftai-{VERSION}-py3-none-any.whl"
    contents = _contents(wheel)
    folder = f"airflow_provider_wriftai-{VERSION}.dist-info"
    assert contents[f"{folder}/entry_points.txt"].decode().split("\n")[:2] == [
        "[apache_airflow_provider]",
        "provider_info = airflow_provider_wriftai.get_provider_info:get_provider_info",
    ]
    assert b"Apache License" in contents[f"{folder}/licenses/LICENSE"]
    assert (metadata["Name"], metadata["Version"]) == ("airflow-provider-wriftai", VERSION)
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert metadata["Author"]
    assert {"sandbox", "openlineage"} <= set(metadata.get_all("Provides-Extra", ()))


def test_it_requires_airflow_and_no_other_provider(metadata: Message) -> None:
    """Airflow's constraints pin each provider to the version of that day."""
    required = [line for line in metadata.get_all("Requires-Dist", ()) if "extra ==" not in line]
    assert [line for line in required if line.startswith("apache-airflow")] == ["apache-airflow>=2.11.0"]
    assert [line for line in required if re.search("[<~!]|==", line)] == [], "an upper bound cannot be constrained away"


def test_every_python_that_is_declared_is_tested(metadata: Message, repository: Path) -> None:
    declared = {
        line.rpartition(" ")[2]
        for line in metadata.get_all("Classifier", ())
        if re.fullmatch(r"Programming Language :: Python :: 3\.\d+", line)
    }
    assert declared == {"3.11", "3.12", "3.13", "3.14"}
    assert declared == set(re.findall(r'"(3\.\d+)"', (repository / ".github/workflows/test.yml").read_text()))


def test_the_metadata_has_all_project_urls(metadata: Message) -> None:
    urls = dict(line.split(", ") for line in metadata.get_all("Project-URL", ()))
    assert urls.keys() == {"Documentation", "Source", "Changelog", "Issues"}
    assert urls["Source"] == _repository_url()
    assert all(url.startswith("https://") for url in urls.values())


def test_the_long_description_has_no_relative_link(metadata: Message, repository: Path) -> None:
    description = metadata.get_payload()
    assert isinstance(description, str)
    links = re.findall(r"\]\(([^)\s]+)", description)
    assert len(links) > 10
    assert [link for link in links if not link.startswith(("https://", "#"))] == []
    paths = [link.split("/main/")[1] for link in links if link.startswith(f"{_repository_url()}/")]
    assert paths
    assert [path for path in paths if not (repository / path.partition("#")[0]).exists()] == []


def test_only_one_file_contains_the_url_of_the_repository() -> None:
    owner, name = _repository_url().split("/")[-2:]
    url = re.escape(_repository_url())
    pattern = re.compile(rf"git(?:hub|lab)\.\w+[/:][\w-]+/{name}\b|\b{owner}\.github\.io|{url}", re.IGNORECASE)
    places = {
        name: pattern.findall(text)
        for name in _tracked()
        if pattern.search(text := (ROOT / name).read_text(encoding="utf-8", errors="ignore"))
    }
    assert places.keys() == {"pyproject.toml"}
    assert len(places["pyproject.toml"]) == 1


def test_a_package_index_accepts_it(sdist: Path, wheel: Path) -> None:
    output = _run(_tool("twine"), "check", "--strict", sdist, wheel)
    assert output.count("PASSED") == 2


def test_the_contents_of_the_wheel_are_valid(wheel: Path) -> None:
    assert _run(_tool("check-wheel-contents"), wheel).endswith(": OK\n")


def test_the_installed_packages_are_compatible() -> None:
    _run(str(UV), "pip", "check", "--python", sys.executable)


def test_the_provider_info_of_the_wheel_needs_no_dependencies(wheel: Path, tmp_path: Path) -> None:
    environment = tmp_path / "environment"
    venv.create(environment, with_pip=False, symlinks=True)
    (site_packages,) = environment.glob("lib/python3*/site-packages")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site_packages)  # noqa: S202 - our own wheel
    code = "import airflow_provider_wriftai.get_provider_info as info; print(info.get_provider_info()['package-name'])"
    done = subprocess.run(
        [environment / "bin" / "python", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.stdout == "airflow-provider-wriftai\n", done.stderr


def test_an_old_airflow_is_refused_at_installation(wheel: Path, tmp_path: Path) -> None:
    requirements = tmp_path / "requirements.txt"
    requirements.write_text(f"{wheel}\napache-airflow==2.10.5\n")
    done = subprocess.run([str(UV), "pip", "compile", requirements], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "airflow-provider-wriftai" in done.stderr
    assert "apache-airflow>=2.11.0" in done.stderr
