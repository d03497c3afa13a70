"""Workflows, issue forms, and other files that services read, and the check of a release."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from airflow_provider_wriftai import __version__
from scripts import release_check

ROOT = Path(__file__).resolve().parent.parent
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
SCHEMAS = {
    **dict.fromkeys((f".github/workflows/{file.name}" for file in WORKFLOWS), "vendor.github-workflows"),
    ".github/dependabot.yml": "vendor.dependabot",
    ".github/ISSUE_TEMPLATE/bug.yml": "vendor.github-issue-forms",
    ".github/ISSUE_TEMPLATE/feature.yml": "vendor.github-issue-forms",
    ".github/ISSUE_TEMPLATE/config.yml": "vendor.github-issue-config",
    "CITATION.cff": "vendor.citation-file-format",
}


def _run(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    tool = shutil.which(name, path=f"{ROOT / '.venv-release' / 'bin'}{os.pathsep}{os.environ['PATH']}")
    if tool is None:
        pytest.skip(f"{name} is not installed: make test-newest installs it")
    return subprocess.run(
        [tool, *arguments], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )


def test_the_workflows_are_safe() -> None:
    done = _run("zizmor", "--offline", "--persona", "pedantic", ".github")
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("file", SCHEMAS)
def test_a_file_is_valid_according_to_its_schema(file: str) -> None:
    done = _run("check-jsonschema", "--builtin-schema", SCHEMAS[file], file)
    assert done.returncode == 0, done.stdout


def test_every_yaml_file_has_a_schema() -> None:
    files = {str(file.relative_to(ROOT)) for file in (ROOT / ".github").glob("**/*.yml")}
    assert files <= SCHEMAS.keys()


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_every_action_is_pinned_to_a_commit(file: Path) -> None:
    used = re.findall(r"uses: (.*)$", file.read_text(), re.MULTILINE)
    assert used
    assert [action for action in used if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v[\d.]+", action)] == []


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_a_pull_request_reaches_no_secret(file: Path) -> None:
    text = file.read_text()
    assert "pull_request_target" not in text
    assert "workflow_run" not in text
    assert "secrets." not in text, "releases need no secret"
    if "pull_request" in text:
        assert "environment: pypi" not in text
        assert "contents: write" not in text


def test_each_action_is_pinned_to_the_same_commit_everywhere() -> None:
    pins: dict[str, set[str]] = {}
    for file in WORKFLOWS:
        for action, commit in re.findall(r"uses: ([\w-]+/[\w-]+)[\w./-]*@(\S+)", file.read_text()):
            pins.setdefault(action, set()).add(commit)
    assert {action: commits for action, commits in pins.items() if len(commits) != 1} == {}


def test_the_workflows_call_targets_of_make() -> None:
    makefile = (ROOT / "Makefile").read_text()
    between = re.findall(r"^BETWEEN := (.*)$", makefile, re.MULTILINE)[0].split()
    targets = {*re.findall(r"^([a-z-]+):", makefile, re.MULTILINE), *(f"test-{version}" for version in between)}
    text = "".join(file.read_text() for file in WORKFLOWS)
    called = {name for line in re.findall(r"run: make ([a-z][a-z -]*)", text) for name in line.split()}
    called |= set(re.findall(r"\btest-(?:oldest|newest|\d\.\d+)", text))
    assert called <= targets
    assert {"lint", "constraints", "docs", "dist", "sbom", "audit", "release-check"} <= called
    assert {f"test-{version}" for version in between} < called


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """A checkout that is ready to be released."""
    package = tmp_path / "airflow_provider_wriftai"
    package.mkdir()
    (package / "__init__.py").write_text('__version__ = "1.2.3"\n')
    (tmp_path / "CHANGELOG.md").write_text("# Changelog\n\n## 1.2.3 (2026-12-01)\n\n## 1.2.2 (2026-11-01)\n")
    (tmp_path / "pyproject.toml").write_text(
        '[tool.airflow-provider-wriftai]\nrepository = "https://git.example/acme/provider"\n'
    )
    return tmp_path


def test_a_release_that_agrees_passes(release: Path, capsys: pytest.CaptureFixture[str]) -> None:
    release_check.main("v1.2.3", release)
    assert capsys.readouterr().out == "v1.2.3, the version and the changelog agree.\n"


@pytest.mark.parametrize(
    ("file", "old", "new", "problem"),
    [
        ("airflow_provider_wriftai/__init__.py", "1.2.3", "1.2.4", "The tag is 'v1.2.3', but the version is '1.2.4'"),
        ("CHANGELOG.md", "(2026-12-01)", "(unreleased)", "The changelog begins with '1.2.3 (unreleased)'"),
        ("CHANGELOG.md", "## 1.2.3 (2026-12-01)", "", "The changelog begins with '1.2.2 (2026-11-01)'"),
        ("pyproject.toml", "/acme/", "/OWNER/", "is still a placeholder"),
    ],
)
def test_a_release_that_does_not_agree_is_refused(release: Path, file: str, old: str, new: str, problem: str) -> None:
    (release / file).write_text((release / file).read_text().replace(old, new))
    with pytest.raises(SystemExit, match=re.escape(problem)):
        release_check.main("v1.2.3", release)


def test_the_changelog_is_about_this_version() -> None:
    newest = re.search(r"^## (\S+) \(", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest is not None
    assert newest[1] == __version__
