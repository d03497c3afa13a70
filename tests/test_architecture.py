"""The fences of the house: who may import whom, and what a DAG file must not cost."""

from __future__ import annotations

import ast
import re
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


COMPAT = "_airflow/compat.py"
_INTERNAL_STRINGS = ("__fail__", "Trigger timeout")


def _knowledge_of_airflow(tree: ast.Module) -> set[str]:
    """What a file knows of the differences between versions of Airflow, and of its internals."""
    found = set()
    for node in ast.walk(tree):
        match node:
            case ast.Try(handlers=handlers, body=body):
                caught = {name.id for handler in handlers for name in ast.walk(handler) if isinstance(name, ast.Name)}
                if caught & {"ImportError", "ModuleNotFoundError"} and any(
                    isinstance(each, ast.Import | ast.ImportFrom) for each in body
                ):
                    found.add("an import with a fallback")
            case ast.ImportFrom(module=str(module), names=names):
                imported = {alias.name for alias in names}
                if module.startswith("airflow.providers.common"):
                    found.add("another provider's compatibility layer")
                if any(name.startswith("AIRFLOW_V") for name in imported):
                    found.add("a version gate")
                if module.partition(".")[0] == "airflow" and any(name.startswith("_") for name in imported):
                    found.add("a private name or the version")
            case ast.Attribute(value=ast.Name(id="airflow"), attr="__version__"):
                found.add("a version gate")
            case ast.Constant(value="apache-airflow"):
                found.add("a version gate")
            case ast.Constant(value=str(text)) if text in _INTERNAL_STRINGS or re.match(r"_[A-Z][A-Za-z]*__\w", text):
                found.add("an internal string of Airflow")
            case ast.Attribute(attr=attr) if re.match(r"_[A-Z][A-Za-z]*__\w", attr):
                found.add("a private attribute")
    return found


def test_one_file_knows_the_versions_of_airflow(package: Path) -> None:
    knowing = {
        str(file.relative_to(package)): knowledge
        for file in package.glob("**/*.py")
        if (knowledge := _knowledge_of_airflow(ast.parse(file.read_text())))
    }
    assert knowing.keys() == {COMPAT}, knowing


@pytest.mark.parametrize(
    "code",
    [
        "try:\n    from airflow.sdk import BaseHook\nexcept ImportError:\n    from airflow.hooks.base import BaseHook",
        "from airflow.providers.common.compat.sdk import BaseHook",
        "from airflow import __version__",
        "import airflow\nif airflow.__version__.startswith('2.'):\n    pass",
        "from importlib.metadata import version\nversion('apache-airflow')",
        f"from {PACKAGE}._airflow.compat import AIRFLOW_V_3_0_PLUS",
        "getattr(operator, '_BaseOperator__from_mapped', False)",
        "if method == '__fail__':\n    pass",
    ],
)
def test_such_knowledge_is_recognized(code: str) -> None:
    assert _knowledge_of_airflow(ast.parse(code))


def _newly_loaded(statements: str) -> set[str]:
    """The modules that statements load in a fresh interpreter, on top of what Airflow itself loads."""
    code = f"""
import sys
from {PACKAGE}._airflow.compat import (
    AirflowFailException, Asset, BaseHook, BaseOperator, BaseOperatorLink, BaseSensorOperator, PokeReturnValue, conf,
)
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
