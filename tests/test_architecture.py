"""The layers: which package may import which, what a DAG file may load, and what packages export."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

PACKAGE = "airflow_provider_wriftai"
PUBLIC = ("assets", "hooks", "links", "operators", "sensors", "triggers")
WITHOUT_AIRFLOW = ("client", "domain", "sandbox")
ONLY_IN_THE_TRIGGERER = ("version_stream",)

# The packages that each package may import. Imports point down the layers only.
MAY_IMPORT: dict[str, set[str]] = {
    "client": set(),
    "sandbox": {"client"},
    "domain": {"client"},
    "_airflow": {"client", "domain"},
    **{package: {"client", "domain", "_airflow", *PUBLIC} - {package} for package in PUBLIC},
}

# Parsing a DAG file may load these modules below the public classes: the errors, and the formatting of their values.
CHEAP = {f"{PACKAGE}.client{name}" for name in ("", ".errors", ".exports", ".text")}


@pytest.fixture
def package(repository: Path) -> Path:
    return repository / PACKAGE


def _imports(file: Path) -> set[str]:
    """Return every module that a file imports, including imports inside functions."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            found.add(node.module or "")
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


@pytest.mark.parametrize("name", WITHOUT_AIRFLOW)
def test_only_the_airflow_layer_imports_airflow(package: Path, name: str) -> None:
    files = sorted((package / name).glob("**/*.py"))
    assert files
    for file in files:
        imported = {each.partition(".")[0] for each in _imports(file)}
        assert "airflow" not in imported, file


@pytest.mark.parametrize("name", MAY_IMPORT)
def test_imports_point_down_the_layers(package: Path, name: str) -> None:
    for file in (package / name).glob("**/*.py"):
        imported = {each.split(".")[1] for each in _imports(file) if each.startswith(f"{PACKAGE}.")}
        imported -= {name, "__version__"}
        assert imported <= MAY_IMPORT[name], f"{file} imports {imported - MAY_IMPORT[name]}"


def test_every_package_belongs_to_a_layer(package: Path) -> None:
    entries = {entry.name for entry in package.iterdir() if entry.name != "__pycache__"}
    assert entries == {*MAY_IMPORT, "__init__.py", "get_provider_info.py", "py.typed"}


@pytest.mark.parametrize("name", ["client", *PUBLIC])
def test_a_package_exports_its_public_names(package: Path, name: str) -> None:
    module = import_module(f"{PACKAGE}.{name}")
    exported = module.__all__
    assert exported == sorted(exported)
    for each in exported:
        assert getattr(module, each) is not None
    if name != "client":
        defined = {
            node.name
            for file in (package / name).glob("*.py")
            for node in ast.parse(file.read_text()).body
            if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_")
        }
        assert set(exported) <= defined
        assert {each for each in defined if each.startswith("WriftAI")} <= set(exported)


def test_only_the_client_uses_http(package: Path) -> None:
    packages = {
        file.relative_to(package).parts[0]
        for file in package.glob("**/*.py")
        if _imports(file) & {"httpx", "requests", "urllib.request", "http.client", "aiohttp"}
    }
    assert packages == {"client"}


def test_the_package_itself_imports_nothing(package: Path) -> None:
    assert _imports(package / "__init__.py") == set()


COMPAT = "_airflow/compat.py"
_INTERNAL_STRINGS = ("__fail__", "Trigger timeout")


def _knowledge_of_airflow(tree: ast.Module) -> set[str]:
    """Return which differences between Airflow versions, and which internals of Airflow, a file depends on."""
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
    dependent = {
        str(file.relative_to(package)): knowledge
        for file in package.glob("**/*.py")
        if (knowledge := _knowledge_of_airflow(ast.parse(file.read_text())))
    }
    assert dependent.keys() == {COMPAT}, dependent


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
    """Return the modules that statements load in a new interpreter in addition to those that Airflow loads."""
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
        f"{PACKAGE}.{name}.{file.stem}" for name in PUBLIC for file in sorted((package / name).glob("*.py"))
        if file.stem not in ("__init__", *ONLY_IN_THE_TRIGGERER)
    ]  # fmt: skip
    assert len(modules) >= 5
    loaded = _newly_loaded("\n".join(f"import {module}" for module in modules))
    assert {name.split(".")[0] for name in loaded} == {PACKAGE}
    below = {name for name in loaded if name.startswith(tuple(f"{PACKAGE}.{each}" for each in WITHOUT_AIRFLOW))}
    assert below <= CHEAP, "the client and the domain load when a task runs"


def test_the_provider_info_loads_nothing_heavy() -> None:
    loaded = _newly_loaded(f"import {PACKAGE}.get_provider_info; {PACKAGE}.get_provider_info.get_provider_info()")
    assert not {name.split(".")[0] for name in loaded} & {"httpx", "tenacity", "starlette", "jsonschema", "jinja2"}
