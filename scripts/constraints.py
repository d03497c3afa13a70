"""Check that the package installs and works with the constraints of each supported Airflow release.

``python -m scripts.constraints [RELEASE …]`` creates an environment for each release, as many at a time as there are
processors. As with Airflow's constraints file, no package in it is newer than the release. The script installs the
wheel without changing any version, and runs the unit tests. It prints a table, and writes ``.results/constraints.json``
for ``scripts.compatibility``.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from scripts.documents import markdown_table

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / ".results"
UV = Path(sys.executable).parent / "uv"

RELEASES = {
    "2.11.0": "2025-05-21",
    "2.11.2": "2026-03-15",
    "3.0.6": "2025-08-30",
    "3.1.8": "2026-03-12",
    "3.2.2": "2026-05-30",
    "3.3.2": "2026-09-18",
}
"""The day after each release; packages that were published later are not installed."""

TEST_TOOLS = ("hypothesis", "psutil", "psycopg2-binary", "pytest", "pytest-timeout", "trustme")
UNIT_TESTS = (
    *("_airflow", "client", "domain", "hooks", "links", "operators", "sensors", "triggers"),
    *("test_architecture.py", "test_provider_info.py"),
)
TABLE_PACKAGES = ("apache-airflow-providers-common-compat", "httpx", "jsonschema", "tenacity")
"""The packages whose versions are in the table; our package must not require the first one."""


class ConstraintsError(Exception):
    """A step of the check failed."""


@dataclass
class Outcome:
    """The outcome for one release."""

    resolves: bool = False
    installs: bool = False
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    versions: dict[str, str] | None = None
    problem: str = ""

    @property
    def is_good(self) -> bool:
        """Whether the package installs and its tests pass."""
        return self.installs and self.passed > 0 and self.failed == 0


def main() -> None:
    """Check the releases.

    Raises:
        SystemExit: The package does not work with the constraints of a release.
    """
    options = _parser().parse_args()
    RESULTS.mkdir(exist_ok=True)
    wheel = _build_wheel(RESULTS / "wheel")
    with ThreadPoolExecutor(os.cpu_count()) as executor:
        check = partial(_check, wheel=wheel, unit_tests=options.tests)
        outcomes = dict(zip(options.releases, executor.map(check, options.releases), strict=True))
    (RESULTS / "constraints.json").write_text(
        json.dumps({release: asdict(outcome) | {"good": outcome.is_good} for release, outcome in outcomes.items()})
    )
    print(format_table(outcomes))
    if broken := {
        release: outcome.problem or f"{outcome.failed} tests failed"
        for release, outcome in outcomes.items()
        if not (outcome.is_good or (outcome.installs and not options.tests))
    }:
        raise SystemExit("\n".join(f"Airflow {release}: {problem}" for release, problem in broken.items()))


def format_table(outcomes: dict[str, Outcome]) -> str:
    """Return the outcomes as a Markdown table."""
    rows = [
        [
            release,
            "yes" if outcome.resolves else "no",
            "yes" if outcome.installs else "no",
            f"{outcome.passed} ({outcome.failed} failed, {outcome.skipped} skipped)",
            *((outcome.versions or {}).get(name, "–") for name in TABLE_PACKAGES),
        ]
        for release, outcome in outcomes.items()
    ]
    return markdown_table(["Airflow", "resolves", "installs", "unit tests passed", *TABLE_PACKAGES], rows)


def _check(release: str, *, wheel: Path, unit_tests: bool) -> Outcome:
    outcome = Outcome()
    environment = ROOT / f".venv-constraints-{release}"
    python = environment / "bin" / "python"
    try:
        _uv("venv", "--clear", "--python", sys.executable, str(environment))
        install = ("pip", "install", "--python", str(python), "--exclude-newer", RELEASES[release])
        _uv(*install, f"apache-airflow=={release}")
        pinned = _installed_versions(python)
        pins = RESULTS / f"constraints-{release}.txt"
        pins.write_text("".join(f"{name}=={version}\n" for name, version in pinned.items()))
        requirements = [f"{wheel}[sandbox]", *TEST_TOOLS]
        _uv(*install, "--dry-run", "--constraint", str(pins), *requirements)
        outcome.resolves = True
        _uv(*install, "--constraint", str(pins), *requirements)
        _uv("pip", "check", "--python", str(python))
        present = _installed_versions(python)
        _require_unchanged(pinned, present)
        outcome.versions = {name: present[name] for name in TABLE_PACKAGES if name in present}
        outcome.installs = True
        if unit_tests:
            _run_unit_tests(python, release, outcome)
    except ConstraintsError as error:
        outcome.problem = str(error)
    return outcome


def _require_unchanged(pinned: dict[str, str], present: dict[str, str]) -> None:
    if changed := {name: version for name, version in pinned.items() if present.get(name) != version}:
        raise ConstraintsError(f"The installation changed {changed}.")


def _run_unit_tests(python: Path, release: str, outcome: Outcome) -> None:
    results = RESULTS / f"constraints-{release}.xml"
    results.unlink(missing_ok=True)
    # -P imports the installed package, not the checkout. Warnings of an old Airflow's dependencies are not errors.
    command = [str(python), "-P", "-m", "pytest", "--quiet", "-o", "filterwarnings=default", f"--junit-xml={results}"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "PYTHONPATH"))}
    done = subprocess.run(
        [*command, *(f"tests/{name}" for name in UNIT_TESTS)],
        cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    (RESULTS / f"constraints-{release}.log").write_text(done.stdout)
    if not results.exists():
        raise ConstraintsError(f"The tests did not run: {done.stdout[-2000:]}")
    suite = ET.parse(results).getroot().find("testsuite")  # noqa: S314 - pytest wrote it
    assert suite is not None
    counts = {name: int(suite.get(name, 0)) for name in ("tests", "failures", "errors", "skipped")}
    outcome.failed, outcome.skipped = counts["failures"] + counts["errors"], counts["skipped"]
    outcome.passed = counts["tests"] - outcome.failed - outcome.skipped


def _build_wheel(folder: Path) -> Path:
    for old in folder.glob("*.whl"):
        old.unlink()
    _uv("build", "--quiet", "--wheel", "--python", sys.executable, "--out-dir", str(folder), str(ROOT))
    (wheel,) = folder.glob("*.whl")
    return wheel


def _installed_versions(python: Path) -> dict[str, str]:
    listed = json.loads(_uv("pip", "list", "--python", str(python), "--format", "json"))
    return {each["name"]: each["version"] for each in listed}


def _uv(*arguments: str) -> str:
    done = subprocess.run([UV, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise ConstraintsError(f"uv {' '.join(arguments[:2])} failed: {done.stderr.strip()}")
    return done.stdout


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("releases", nargs="*", default=list(RELEASES), metavar="RELEASE", help="default: all")
    parser.add_argument("--no-tests", dest="tests", action="store_false", help="only resolve and install")
    return parser


if __name__ == "__main__":
    main()
