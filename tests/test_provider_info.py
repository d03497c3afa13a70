"""The provider info: every name resolves, and nothing is missing."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from importlib.metadata import entry_points, metadata
from pathlib import Path
from typing import Any

import airflow
import jsonschema
import pytest
from airflow.triggers.base import BaseTrigger

from airflow_provider_wriftai._airflow.compat import BaseHook, BaseOperator
from airflow_provider_wriftai.get_provider_info import get_provider_info

DISTRIBUTION = "airflow-provider-wriftai"


def _schema(name: str) -> dict[str, Any]:
    # The namespace package may have several folders; the schemas are in that of Airflow's core.
    (file,) = [Path(folder) / name for folder in airflow.__path__ if (Path(folder) / name).exists()]
    schema: dict[str, Any] = json.loads(file.read_text())
    return schema


def test_the_entry_point_resolves_to_it() -> None:
    (found,) = (
        point
        for point in entry_points(group="apache_airflow_provider")
        if point.dist and point.dist.name == DISTRIBUTION
    )
    assert found.load() is get_provider_info


def test_it_agrees_with_the_metadata_of_the_distribution() -> None:
    info = get_provider_info()
    assert info["package-name"] == DISTRIBUTION
    assert info["versions"] == [metadata(DISTRIBUTION)["Version"]]


@pytest.mark.parametrize("name", ["provider_info.schema.json", "provider.yaml.schema.json"])
def test_it_is_valid_according_to_airflows_schemas(name: str) -> None:
    schema = _schema(name)
    known = schema["properties"]
    info = get_provider_info()
    integrations = known.get("integrations", {}).get("items", {}).get("properties", {})
    tags = integrations.get("tags", {})
    if names := tags.get("items", {}).get("enum"):
        # Airflow 3.2 reads the tags, knows these two, and allows several. Older versions do not read them.
        assert set(info["integrations"][0]["tags"]) - set(names) <= {"ai", "machine-learning"}
        names.extend(["ai", "machine-learning"])
        tags.pop("maxItems", None)
    for key, value in info.items():
        if key in known:
            jsonschema.validate(value, {**known[key], "definitions": schema.get("definitions", {})})
    assert {"package-name", "name", "description", "connection-types"} <= known.keys()


def test_the_how_to_guides_exist(repository: Path) -> None:
    (integration,) = get_provider_info()["integrations"]
    assert integration["how-to-guide"]
    assert [guide for guide in integration["how-to-guide"] if not (repository / guide.removeprefix("/")).exists()] == []


def test_airflow_links_to_the_documentation() -> None:
    """Airflow's page of providers reads the URL from the metadata of the distribution."""
    urls = [url.partition(", ")[::2] for url in metadata(DISTRIBUTION).get_all("Project-URL") or ()]
    assert dict(urls)["Documentation"].startswith("https://")
    try:
        from airflow.utils.docs import get_doc_url_for_provider  # type: ignore[attr-defined]
    except ImportError:
        manager = importlib.import_module("airflow.providers_manager").ProvidersManager()
        if not any("documentation-url" in provider.data for provider in manager.providers.values()):
            pytest.skip("this Airflow shows no links to documentation")
        # Airflow 3.1 leaves a space before the URL.
        shown = manager.providers[DISTRIBUTION].data.get("documentation-url", "").strip()
    else:
        shown = get_doc_url_for_provider(DISTRIBUTION, metadata(DISTRIBUTION)["Version"])
    assert shown == dict(urls)["Documentation"]


@pytest.mark.parametrize(("kind", "base"), [("hooks", BaseHook), ("operators", BaseOperator), ("sensors", BaseOperator),
                                            ("triggers", BaseTrigger)])  # fmt: skip
def test_every_module_is_listed(kind: str, base: type) -> None:
    package = importlib.import_module(f"airflow_provider_wriftai.{kind}")
    (listed,) = get_provider_info()[kind]
    with_classes = {
        f"{package.__name__}.{file.stem}"
        for file in Path(package.__path__[0]).glob("*.py")
        if file.stem != "version_stream"  # Only Airflow 3.3 can load it, and it defines no trigger.
        and any(
            isinstance(value, type) and issubclass(value, base) and value.__module__.endswith(f".{file.stem}")
            for value in vars(importlib.import_module(f"{package.__name__}.{file.stem}")).values()
        )
    }
    assert set(listed["python-modules"]) == with_classes


def _airflow(*arguments: str) -> Any:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "airflow", *arguments, "--output", "json"],
        capture_output=True,
        text=True,
        check=True,
    )
    # Log lines of Airflow may precede the table.
    return json.loads(done.stdout[done.stdout.index("[{") :])


def test_airflow_lists_the_provider_and_its_connection_type() -> None:
    assert DISTRIBUTION in {provider["package_name"] for provider in _airflow("providers", "list")}
    (hook,) = (hook for hook in _airflow("providers", "hooks") if hook["connection_type"] == "wriftai")
    assert hook["hook_name"] == "WriftAI"
    assert hook["conn_id_attribute_name"] == "wriftai_conn_id"
