"""Write the table of Airflow versions and supported features to the documents, from the test results.

``python -m scripts.compatibility RESULTS.xml … constraints.json`` reads the results of ``make test-all``: those of
pytest on each Airflow, and those of the installations with each Airflow's constraints.
"""

from __future__ import annotations

import json
import sys
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.documents import markdown_table, replace_section

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = (ROOT / "README.md", ROOT / "docs" / "upgrade.md")

ROWS = {
    "publish, prune, and wait in every mode": {"pipeline", "every mode", "deferred"},
    "one version over all tries of a killed task": {"one version, reuse"},
    "… also with `if_exists` `fail` or `create`": {"one version, fail", "one version, create"},
    "DAGs that start when anybody publishes": {"events"},
    "… and no version is lost over a restart of the triggerer": {"events, over restarts"},
    "the model's asset as an outlet, where it is given": {"outlet, given"},
    '`newer_than="start"` in mode `reschedule`': {"start, rescheduled"},
    "the button from a task to its version": {"rest"},
    "a person's approval before a prune (Airflow's own operator)": {"approval"},
    "OpenLineage": {"lineage"},
}
"""The rows of the table, with the values of the test property ``shows`` that each requires."""

WITH_CONSTRAINTS = "with that Airflow's constraints"
"""The row for the installations with constraints."""


def main(files: list[str]) -> None:
    """Read the results, and write the table.

    Args:
        files: The results. A later file of the same Airflow overrides an earlier one.

    Raises:
        SystemExit: A test or an installation failed.
    """
    results: dict[str, dict[str, Result]] = {}
    installations = [file for file in files if file.endswith(".json")]
    for file in files:
        if file in installations:
            continue
        version, by_test = read_results(Path(file))
        results.setdefault(version, {}).update(by_test)
    for version, by_test in results.items():
        if failed := [name for name, result in by_test.items() if result.failed]:
            raise SystemExit(f"On Airflow {version}, {len(failed)} tests failed, such as {failed[0]}.")
    versions = sorted(results, key=_minor_version)
    shown = [set[str]().union(*(result.shows for result in results[version].values())) for version in versions]
    heads = ["", *(".".join(version.split(".")[:2]) for version in versions)]
    rows = [[row, *("yes" if needs <= each else "" for each in shown)] for row, needs in ROWS.items()]
    for file in installations:
        releases = format_constraints(json.loads(Path(file).read_text()))
        rows.append([WITH_CONSTRAINTS, *(releases.get(head, "") for head in heads[1:])])
    table = markdown_table(heads, rows)
    summary = f"Shown by the tests on Airflow {', '.join(versions)}."
    for document in DOCUMENTS:
        replace_section(document, "compatibility", f"\n{table}\n\n{summary}\n")
    print(table)


@dataclass(frozen=True)
class Result:
    """The result of a test, with the values of its property ``shows``."""

    failed: bool
    shows: frozenset[str]


def read_results(file: Path) -> tuple[str, dict[str, Result]]:
    """Read the results of pytest on one Airflow.

    Returns:
        The version of Airflow, and the result of each test.
    """
    root = ET.parse(file).getroot()  # noqa: S314 - pytest wrote it
    version = next(each.attrib["value"] for each in root.iter("property") if each.attrib["name"] == "airflow")
    return version, {f"{case.get('classname')}.{case.get('name')}": _result(case) for case in root.iter("testcase")}


def format_constraints(outcomes: dict[str, dict[str, Any]]) -> dict[str, str]:
    """Return, for each minor version of Airflow, the releases whose constraints the package works with.

    Args:
        outcomes: The results of ``scripts.constraints``, by release.

    Raises:
        SystemExit: The package does not work with the constraints of a release.
    """
    if broken := [release for release, outcome in outcomes.items() if not outcome["good"]]:
        raise SystemExit(f"The package does not install or work with the constraints of Airflow {', '.join(broken)}.")
    releases: dict[str, list[str]] = {}
    for release in outcomes:
        releases.setdefault(".".join(release.split(".")[:2]), []).append(release)
    return {minor: ", ".join(supported) for minor, supported in releases.items()}


def _result(case: ET.Element) -> Result:
    failed = case.find("failure") is not None or case.find("error") is not None
    shows = frozenset(each.attrib["value"] for each in case.iter("property") if each.attrib["name"] == "shows")
    return Result(failed, frozenset() if failed else shows)


def _minor_version(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2])


if __name__ == "__main__":
    main(sys.argv[1:])
