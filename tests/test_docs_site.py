"""The documentation site that ``make docs`` builds."""

from __future__ import annotations

import importlib.util
import inspect
import re
import shutil
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from tests.support.public_names import dag_api, errors, public_members

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
SOURCES = {page: page.relative_to(DOCS) for page in (*DOCS.glob("**/*.md"), *DOCS.glob("**/*.rst"))}

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("sphinx") is None, reason="Sphinx is only installed with one version of Airflow"
)


def _build(docs: Path, site: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            *(sys.executable, "-m", "sphinx", "--fail-on-warning", "--keep-going", "--quiet"),
            *("--doctree-dir", str(site.parent / "doctrees"), str(docs), str(site)),
        ],
        cwd=docs.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built without warnings."""
    folder = tmp_path_factory.mktemp("docs") / "site"
    done = _build(DOCS, folder)
    assert done.returncode == 0, done.stdout
    return folder


@pytest.fixture(scope="module")
def referenced(site: Path) -> set[str]:
    """The full names of everything in the reference, from the inventory that the site publishes."""
    inventory = (site / "objects.inv").read_bytes().split(b"\n", 4)[4]
    lines = zlib.decompress(inventory).decode().splitlines()
    return {name for name, role, *_ in map(str.split, lines) if role.startswith("py:")}


def test_the_dag_api_is_in_the_reference(referenced: set[str]) -> None:
    assert dag_api().keys() <= referenced


def test_every_error_is_in_the_reference(referenced: set[str]) -> None:
    assert {f"{cls.__module__}.{cls.__qualname__}" for cls in errors()} <= referenced


def test_the_client_is_in_the_reference(referenced: set[str]) -> None:
    from airflow_provider_wriftai.client import api, common_types, pagination, retrying, versions

    types = [
        value
        for module in (common_types, versions)
        for name, value in vars(module).items()
        if inspect.isclass(value) and value.__module__ == module.__name__ and not name.startswith("_")
    ]
    expected = {
        f"{cls.__module__}.{cls.__qualname__}"
        for cls in (*types, api.API, pagination.PaginationOptions, pagination.PaginatedResponse, retrying.RetryPolicy)
    }
    expected |= {f"{versions.__name__}.Versions.{name}" for name in public_members(versions.Versions)}
    expected |= {f"{common_types.__name__}.Version.{name}" for name in common_types.Version.__annotations__}
    assert expected <= referenced


def test_every_page_is_in_the_navigation(site: Path) -> None:
    sidebar = (site / "index.html").read_text().partition('class="sidebar-tree"')[2].partition("</aside>")[0]
    linked = set(re.findall(r'href="([^"#]+)', sidebar))
    assert {str(page.with_suffix(".html")) for page in SOURCES.values()} - {"index.html"} == linked


def test_files_outside_of_docs_are_included(site: Path) -> None:
    def text(page: str) -> str:
        return re.sub(r"<[^>]+>", "", (site / page).read_text())

    assert "WriftAICleanupVersionsOperator" in text("changelog.html")
    assert "Requirements for a change" in text("contributing.html")
    assert "Threat model" in text("security.html")
    for example in (ROOT / "example_dags").glob("*.py"):
        assert f"def {example.stem}" in text("examples.html"), example
    assert 'href="examples.html#' in (site / "publish.html").read_text()
    assert not (site / "_downloads").exists()


def test_it_loads_nothing_from_other_sites(site: Path) -> None:
    for page in site.glob("**/*.html"):
        loaded = re.findall(
            r'<(?:script|img|iframe|source|link(?! rel="(?:canonical|next|prev)"))[^>]*\b(?:src|href)="([^"]+)"',
            page.read_text(),
        )
        assert loaded, page
        assert [url for url in loaded if re.match(r"(?:https?:)?//", url)] == [], page
    for style in site.glob("**/*.css"):
        assert not re.search(r"(?:url\(|@import)\s*['\"]?\s*(?:https?:)?//", style.read_text()), style


def test_its_search_needs_no_server(site: Path) -> None:
    assert "settle_second" in (site / "searchindex.js").read_text()


def test_mistakes_fail_the_build(tmp_path: Path) -> None:
    """The other tests rely on it: each of these mistakes is a warning, and a warning fails the build."""
    for name in ("docs", "example_dags", ".github"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "reference"))
    shutil.copy(ROOT / "CHANGELOG.md", tmp_path)
    (tmp_path / "docs" / "reference").mkdir()
    (tmp_path / "docs" / "reference" / "index.md").write_text("# Reference\n\n{py:class}`airflow_provider_wriftai.X`\n")
    (tmp_path / "docs" / "alone.md").write_text("# Alone\n\n[no such heading](wait.md#no-such-heading)\n")
    (tmp_path / "docs" / "metrics.md").write_text("# Metrics\n\n[no such page](no-such-page.md)\n")
    done = _build(tmp_path / "docs", tmp_path / "site")
    assert done.returncode != 0
    output = done.stdout
    assert re.search(r"alone\.md: WARNING: document isn't included in any toctree", output), output
    assert re.search(r"alone\.md:3: WARNING: local id not found in doc 'wait': 'no-such-heading'", output), output
    assert re.search(r"metrics\.md:3: WARNING: .*no-such-page\.md", output), output
    assert re.search(r"reference/index\.md.*WARNING: .*target not found: airflow_provider_wriftai\.X", output), output
