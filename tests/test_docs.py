"""The documentation: every Python block runs, every link resolves, and everything public is documented."""

from __future__ import annotations

import inspect
import os
import re
import signal
import subprocess
import sys
import textwrap
import tomllib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import airflow
import pytest

from airflow_provider_wriftai.sandbox.seed import seed
from tests.support.ports import free_port
from tests.support.public_names import dag_api, public_members
from tests.support.sandbox import Sandbox

AIRFLOW_2 = airflow.__version__.startswith("2.")
ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
GUIDES = sorted(DOCS.glob("*.md"))
DOCUMENTS = [
    ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / ".github").glob("*.md")), *sorted(DOCS.glob("**/*.md")),
]  # fmt: skip


def _name_of(document: Path) -> str:
    return str(document.relative_to(ROOT))


def _blocks(document: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", document.read_text(), re.DOTALL | re.MULTILINE)


def _reference_blocks(page: Path) -> list[str]:
    found = re.findall(r"^\.\. code-block:: python\n\n((?:   .*\n|\n)+)", page.read_text(), re.MULTILINE)
    return [textwrap.dedent(block) for block in found]


def _without_blocks(document: Path) -> str:
    return re.sub(r"^```.*?^```$", "", document.read_text(), flags=re.DOTALL | re.MULTILINE)


def _rows(document: Path) -> dict[str, list[str]]:
    """Return the rows of all tables whose first cell is a name: the other cells, by the name."""
    rows = re.findall(r"^\| `([\w-]+)` \| (.*) \|$", document.read_text(), re.MULTILINE)
    duplicates = [name for name, count in Counter(name for name, _ in rows).items() if count > 1]
    assert not duplicates, f"{document.name} has more than one row for {duplicates}"
    return {name: [cell.strip() for cell in rest.split(" | ")] for name, rest in rows}


BLOCKS = [
    pytest.param(block, id=f"{_name_of(document)}-{number}")
    for document in DOCUMENTS
    for number, block in enumerate(_blocks(document, "python"), start=1)
] + [
    pytest.param(block, id=f"{_name_of(page)}-{number}")
    for page in sorted((DOCS / "reference").glob("*.rst"))
    for number, block in enumerate(_reference_blocks(page), start=1)
]


@pytest.mark.parametrize("block", BLOCKS)
def test_every_python_block_runs(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, block: str) -> None:
    """Run it against a sandbox with the model that the documentation uses."""
    if AIRFLOW_2 and "from airflow.sdk" in block:
        pytest.skip("the block requires Airflow 3")
    monkeypatch.setenv("WRIFTAI_API_BASE_URL", sandbox.base_url())
    monkeypatch.setenv("WRIFTAI_ACCESS_TOKEN", sandbox.token)
    seed(sandbox.store, "acme", "detector", 60)
    exec(compile(block, "<block>", "exec"), {"__name__": "block"})  # noqa: S102 - our own documents


@contextmanager
def _in_the_background(script: str, folder: Path, environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """Run a script in its own process group until the end of the with block."""
    with subprocess.Popen(
        ["bash", "-ec", script], cwd=folder, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            yield process
        finally:
            os.killpg(process.pid, signal.SIGTERM)


def test_the_tutorial_publishes_a_version(tmp_path: Path) -> None:
    """Run its commands unchanged, except for the installation and the port."""
    page = DOCS / "tutorial.md"
    install, start_sandbox, connect, run = _blocks(page, "console")
    (dag,) = _blocks(page, "python")
    first, second = (block.partition("…")[0].strip() for block in _blocks(page, "text"))
    port = str(free_port())
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("AIRFLOW_", "WRIFTAI_"))}
    environment |= {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "PYTHONUNBUFFERED": "1"}
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / "first_version.py").write_text(dag)
    connect = connect.replace("8787", port).replace(". venv/bin/activate\n", "")

    assert "airflow-provider-wriftai[sandbox]" in install
    with _in_the_background(f"{start_sandbox.rstrip()} --port {port}", tmp_path, environment) as sandbox:
        assert sandbox.stdout is not None
        assert sandbox.stdout.readline().endswith(f":{port}\n")
        done = subprocess.run(
            ["bash", "-ec", f"{connect}{run}echo once more\n{run}"],
            cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stdout
    first_output, _, second_output = done.stdout.partition("once more\n")
    assert first in first_output
    assert second in second_output


def _anchors(document: Path) -> set[str]:
    """Return the anchors that GitHub generates for the headings."""
    found: set[str] = set()
    for heading in re.findall(r"^#{1,6} (.*)$", _without_blocks(document), re.MULTILINE):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading.strip()).lower()
        slug = re.sub(r"[^\w\- ]", "", text).replace(" ", "-")
        found.add(next(name for n in count() if (name := f"{slug}-{n}" if n else slug) not in found))
    return found


@pytest.mark.parametrize("document", DOCUMENTS, ids=_name_of)
def test_every_link_within_the_repository_leads_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)", _without_blocks(document)):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        file = document.parent / path if path else document
        assert file.exists(), target
        if anchor:
            assert anchor in _anchors(file), target


def test_every_documented_make_command_exists() -> None:
    commands = {
        name for file in DOCUMENTS for name in re.findall(r"(?:`|^)make ([a-z-]+)", file.read_text(), re.MULTILINE)
    }
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {"demo", "test", "ui"} <= commands <= targets


def test_the_sandboxs_options_and_faults_are_documented() -> None:
    from airflow_provider_wriftai.sandbox.__main__ import _parser
    from airflow_provider_wriftai.sandbox.faults import Fault

    document = (DOCS / "sandbox.md").read_text()
    options = {option for action in _parser()._actions for option in action.option_strings if option.startswith("--")}
    assert {option for option in options - {"--help"} if f"`{option}" not in document} == set()
    assert Fault.model_fields.keys() <= _rows(DOCS / "sandbox.md").keys()


def test_the_connections_settings_are_documented() -> None:
    from airflow_provider_wriftai._airflow.connection import EXTRA_FIELDS

    labels = {name: cells[0] for name, cells in _rows(DOCS / "connection.md").items()}
    assert labels == {name: field["label"] for name, field in EXTRA_FIELDS.items()}


@pytest.mark.parametrize("name", sorted(dag_api()))
def test_the_dag_api_is_documented_in_a_guide_with_every_parameter(name: str) -> None:
    value = dag_api()[name]
    short = name.rpartition(".")[2]
    guides = [text for text in map(Path.read_text, GUIDES) if re.search(rf"`[^`\n]*\b{short}\b", text)]
    assert guides, f"no guide names {short}"
    parameters: set[str] = set()
    if inspect.isclass(value):
        parameters = set(inspect.signature(value.__init__).parameters) - {"self", "args", "kwargs"}
    undocumented = [
        {each for each in parameters if f"`{each}`" not in text and f"{each}=" not in text} for text in guides
    ]
    assert set() in undocumented, f"no guide that names {short} has all of its parameters: {undocumented}"


def test_the_clients_methods_and_settings_are_documented() -> None:
    from airflow_provider_wriftai.client.api import API
    from airflow_provider_wriftai.client.versions import Versions

    document = (DOCS / "client.md").read_text()
    assert {name for name in public_members(Versions) if not re.search(rf"`{name}[`(]", document)} == set()
    settings = set(inspect.signature(API).parameters) - {"base_url", "access_token"}
    assert {name for name in settings if f"`{name}`" not in document} == set()


def test_the_dependencies_are_documented() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    required = dict(requirement.split(">=") for requirement in project["dependencies"])
    documented = {name: cells[0] for name, cells in _rows(DOCS / "upgrade.md").items()}
    assert documented == required
    assert f"Python {project['requires-python'].removeprefix('>=')} or newer" in (DOCS / "upgrade.md").read_text()


def test_both_compatibility_tables_are_equal() -> None:
    (table,) = re.findall(
        r"<!-- compatibility:begin -->\n(.*)<!-- compatibility:end -->", (DOCS / "upgrade.md").read_text(), re.DOTALL
    )
    assert "| 2.11 |" in table
    assert table.strip() in (ROOT / "README.md").read_text()


def test_every_picture_is_used_and_has_an_alternative_text() -> None:
    used = {
        path: text
        for guide in DOCS.glob("**/*.md")
        for text, path in re.findall(r"!\[([^\]]*)\]\((?:\.\./)?(images/[^)]+)\)", guide.read_text())
    }
    assert used.keys() == {f"images/{picture.name}" for picture in (DOCS / "images").iterdir()}
    assert [path for path, text in used.items() if len(text.split()) < 3] == []


def test_the_tests_that_the_threat_model_names_exist() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", (ROOT / ".github" / "SECURITY.md").read_text())
    assert len(named) > 20
    missing = [(file, name) for file, name in named if f"def {name}(" not in (ROOT / file).read_text()]
    assert missing == []


def test_every_example_is_listed() -> None:
    examples = {file.stem for file in (ROOT / "example_dags").glob("*.py")}
    listed = re.findall(r"^\| \[(\w+)\]\(#(\w+)\) \| .+ \|$", (DOCS / "examples.md").read_text(), re.MULTILINE)
    assert {name for name, anchor in listed if name == anchor} == examples


def test_every_example_that_publishes_has_one_run_at_a_time() -> None:
    """With parallel runs, an older run could publish the newest version."""
    texts = {file.stem: file.read_text() for file in (ROOT / "example_dags").glob("*.py")}
    publishing = {name for name, text in texts.items() if "WriftAICreateVersionOperator(" in text}
    assert len(publishing) > 3
    assert {name for name in publishing if "max_active_runs=1," not in texts[name]} == set()
