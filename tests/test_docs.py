"""What the documents say: every Python block runs, and every link to a file leads somewhere."""

from __future__ import annotations

import importlib
import inspect
import re
from pathlib import Path
from typing import Any

import airflow
import pytest

from airflow_provider_wriftai.client.errors import WriftAIError
from airflow_provider_wriftai.sandbox.seed import seed

AIRFLOW_2 = airflow.__version__.startswith("2.")
ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = [
    ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / ".github").glob("*.md")),
    *sorted((ROOT / "docs").glob("**/*.md")),
]  # fmt: skip


def _python_blocks(document: Path) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```$", document.read_text(), re.DOTALL | re.MULTILINE)


BLOCKS = [
    pytest.param(block, id=f"{document.name}-{number}")
    for document in DOCUMENTS
    for number, block in enumerate(_python_blocks(document), start=1)
]


@pytest.mark.parametrize("block", BLOCKS)
def test_every_python_block_runs(sandbox: Any, monkeypatch: pytest.MonkeyPatch, block: str) -> None:
    """Against a sandbox with the model that the documents speak of."""
    if AIRFLOW_2 and "from airflow.sdk" in block:
        pytest.skip("it is about what Airflow 2 has not")
    monkeypatch.setenv("WRIFTAI_API_BASE_URL", sandbox.base_url())
    monkeypatch.setenv("WRIFTAI_ACCESS_TOKEN", sandbox.token)
    seed(sandbox.store, "acme", "detector", 60)
    exec(compile(block, "<block>", "exec"), {"__name__": "block"})  # noqa: S102 - our own documents


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_every_link_to_a_file_leads_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)", document.read_text()):
        if "://" not in target:
            assert (document.parent / target).exists(), target


def test_the_commands_that_are_named_are_targets_of_make() -> None:
    named = "".join((ROOT / file).read_text() for file in ("README.md", ".github/CONTRIBUTING.md"))
    commands = set(re.findall(r"\bmake ([a-z-]+)", named))
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {"demo", "test", "ui"} <= commands <= targets


def test_the_sandboxs_options_are_documented() -> None:
    from airflow_provider_wriftai.sandbox.__main__ import _parser

    document = (ROOT / "docs" / "sandbox.md").read_text()
    options = {option for action in _parser()._actions for option in action.option_strings if option.startswith("--")}
    assert {option for option in options - {"--help"} if f"`{option}" not in document} == set()


def test_the_connections_settings_are_documented() -> None:
    from airflow_provider_wriftai.connection import EXTRA_FIELDS

    document = (ROOT / "docs" / "connection.md").read_text()
    assert {name for name in EXTRA_FIELDS if f"| `{name}` |" not in document} == set()


def test_every_error_is_documented() -> None:
    import airflow_provider_wriftai.failures
    import airflow_provider_wriftai.waiting.errors

    def all_of(cls: type[WriftAIError]) -> set[type[WriftAIError]]:
        return {cls}.union(*(all_of(child) for child in cls.__subclasses__()))

    document = (ROOT / "docs" / "client.md").read_text()
    rows = dict(re.findall(r"^\| `(\w+)` \|.*\| (.*?) \|$", document, re.MULTILINE))
    classes = {cls for cls in all_of(WriftAIError) if cls.__module__.startswith("airflow_provider_wriftai")}
    assert {cls.__name__ for cls in classes} <= rows.keys()
    for cls in classes:
        final = issubclass(cls, airflow_provider_wriftai.failures.FINAL)
        assert rows[cls.__name__].startswith("fails at once" if final else "left to Airflow"), cls


@pytest.mark.parametrize(
    ("document", "operator"),
    [
        ("publish.md", "operators.versions.WriftAICreateVersionOperator"),
        ("publish.md", "operators.versions.WriftAIGetVersionOperator"),
        ("publish.md", "operators.versions.WriftAIDeleteVersionOperator"),
        ("prune.md", "operators.cleanup.WriftAICleanupVersionsOperator"),
        ("wait.md", "sensors.versions.WriftAIVersionSensor"),
        ("event-driven.md", "triggers.published.WriftAIVersionPublishedTrigger"),
    ],
)
def test_every_parameter_is_documented(document: str, operator: str) -> None:
    module, _, name = operator.rpartition(".")
    cls = getattr(importlib.import_module(f"airflow_provider_wriftai.{module}"), name)
    text = (ROOT / "docs" / document).read_text()
    parameters = set(inspect.signature(cls.__init__).parameters) - {"self", "kwargs"}
    assert {each for each in parameters if f"`{each}`" not in text and f"{each}=" not in text} == set()
