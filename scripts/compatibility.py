"""Write the table of what works on which Airflow into the documents, from the test results on each.

``python -m scripts.compatibility RESULTS.xml … constraints.json``: the results of pytest on each Airflow, and of the
installations beside each Airflow's constraints, from ``make test-all``.
"""

from __future__ import annotations

import json
import sys
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.marks import markdown_table, put_between

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
"""What a row says, and what has to be shown for it."""

WITH_CONSTRAINTS = "with that Airflow's constraints"
"""The row of the installations."""


def main(files: list[str]) -> None:
    """Read the results, and write the table.

    Args:
        files: The results; where there are several of one Airflow, what a later one says of a test counts.

    Raises:
        SystemExit: Something failed on one of the Airflows: then there is no such table.
    """
    results: dict[str, dict[str, Result]] = {}
    installed = [file for file in files if file.endswith(".json")]
    for file in (Path(file) for file in files if file not in installed):
        version, seen = read(file)
        results.setdefault(version, {}).update(seen)
    for version, seen in results.items():
        if broken := [name for name, result in seen.items() if result.failed]:
            raise SystemExit(f"On Airflow {version}, {len(broken)} tests failed, such as {broken[0]}")
    versions = sorted(results, key=_as_numbers)
    shown = [set[str]().union(*(result.shows for result in results[version].values())) for version in versions]
    heads = ["", *(".".join(version.split(".")[:2]) for version in versions)]
    rows = [[row, *("yes" if needs <= seen else "" for seen in shown)] for row, needs in ROWS.items()]
    for found in installed:
        good = with_constraints(json.loads(Path(found).read_text()))
        rows.append([WITH_CONSTRAINTS, *(good.get(head, "") for head in heads[1:])])
    table = markdown_table(heads, rows)
    tested = f"Shown by the tests on Airflow {', '.join(versions)}."
    for document in DOCUMENTS:
        put_between(document, "compatibility", f"\n{table}\n\n{tested}\n")
    print(table)


@dataclass(frozen=True)
class Result:
    """What became of a test, and what it showed."""

    failed: bool
    shows: frozenset[str]


def read(file: Path) -> tuple[str, dict[str, Result]]:
    """Read the results of pytest on one Airflow.

    Returns:
        Its version, and the result of each test.
    """
    root = ET.parse(file).getroot()  # noqa: S314 - pytest wrote it
    version = next(each.attrib["value"] for each in root.iter("property") if each.attrib["name"] == "airflow")
    return version, {f"{case.get('classname')}.{case.get('name')}": _result(case) for case in root.iter("testcase")}


def with_constraints(checked: dict[str, dict[str, Any]]) -> dict[str, str]:
    """Tell for each minor version of Airflow with which releases' constraints the package installs and works.

    Args:
        checked: What ``scripts/constraints.py`` found, by release.

    Raises:
        SystemExit: It does not beside one of them.
    """
    if broken := [release for release, found in checked.items() if not found["good"]]:
        raise SystemExit(f"The package does not install or work with the constraints of Airflow {', '.join(broken)}")
    releases: dict[str, list[str]] = {}
    for release in checked:
        releases.setdefault(".".join(release.split(".")[:2]), []).append(release)
    return {minor: ", ".join(found) for minor, found in releases.items()}


def _result(case: ET.Element) -> Result:
    failed = case.find("failure") is not None or case.find("error") is not None
    shows = frozenset(each.attrib["value"] for each in case.iter("property") if each.attrib["name"] == "shows")
    return Result(failed, frozenset() if failed else shows)


def _as_numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2])


if __name__ == "__main__":
    main(sys.argv[1:])
