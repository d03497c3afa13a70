"""The fences of the house: who may import whom, and what a DAG file must not cost."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = "airflow_provider_wriftai"
NO_AIRFLOW = ("client", "domain", "sandbox")
ROOMS = ("assets", "hooks", "links", "operators", "sensors", "triggers")
ONLY_IN_THE_TRIGGERER = ("acknowledged",)

# What each room may use of the others. Data flows down only.
MAY_USE = {
    "client": set(),
    "domain": {"client"},
    "sandbox": set(),
}


@pytest.fixture
def package(repository: Path) -> Path:
    return repository / PACKAGE


def _imports(file: Path) -> set[str]:
    """Every module that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            found.add(node.module or "")
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


@pytest.mark.parametrize("room", NO_AIRFLOW)
def test_the_client_and_the_rules_know_no_airflow(package: Path, room: str) -> None:
    files = sorted((package / room).glob("**/*.py"))
    assert files
    for file in files:
        for name in _imports(file):
            assert name != "airflow" and not name.startswith("airflow."), f"{file} imports {name}"  # noqa: PT018


@pytest.mark.parametrize("room", MAY_USE)
def test_data_flows_down_only(package: Path, room: str) -> None:
    for file in (package / room).glob("**/*.py"):
        used = {name.split(".")[1] for name in _imports(file) if name.startswith(f"{PACKAGE}.")}
        used -= {room, "__version__"}
        assert used <= MAY_USE[room], f"{file} uses {used - MAY_USE[room]}"


def test_only_the_client_does_http(package: Path) -> None:
    speaking = {
        file.relative_to(package).parts[0]
        for file in package.glob("**/*.py")
        if _imports(file) & {"httpx", "requests", "urllib.request", "http.client", "aiohttp"}
    }
    assert speaking == {"client"}


def test_the_package_itself_imports_nothing(package: Path) -> None:
    assert _imports(package / "__init__.py") == set()


def _newly_loaded(statements: str) -> set[str]:
    """The modules that statements load in a fresh interpreter, on top of what Airflow itself loads."""
    code = f"""
import sys
import airflow.providers.common.compat.sdk as sdk
for name in (
    "BaseHook", "BaseOperator", "BaseSensorOperator", "PokeReturnValue", "conf", "AirflowFailException", "Asset",
    "BaseOperatorLink",
):
    getattr(sdk, name)
import airflow.triggers.base
before = set(sys.modules)
{statements}
print(" ".join(set(sys.modules) - before))
"""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_a_dag_file_loads_nothing_heavy(package: Path) -> None:
    modules = [
        f"{PACKAGE}.{room}.{file.stem}" for room in ROOMS for file in sorted((package / room).glob("*.py"))
        if file.stem not in ("__init__", "settings", *ONLY_IN_THE_TRIGGERER)
    ]  # fmt: skip
    assert len(modules) >= 5
    loaded = _newly_loaded("\n".join(f"import {module}" for module in modules))
    assert {name.split(".")[0] for name in loaded} == {PACKAGE}
    assert {f"{PACKAGE}.{room}" for room in NO_AIRFLOW}.isdisjoint(loaded), "rules load when a task runs"


def test_the_provider_info_loads_nothing_heavy() -> None:
    loaded = _newly_loaded(f"import {PACKAGE}.get_provider_info; {PACKAGE}.get_provider_info.get_provider_info()")
    assert not {name.split(".")[0] for name in loaded} & {"httpx", "tenacity", "starlette", "jsonschema", "jinja2"}
