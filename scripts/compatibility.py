"""Write the table of what works on which Airflow into the documents, from what the tests showed on each.

``python scripts/compatibility.py RESULTS.xml …``: the results of pytest on each Airflow, from ``make test-all``.
"""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

from marks import put_between

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = (ROOT / "README.md", ROOT / "docs" / "upgrade.md")

ROWS = {
    "publish, prune, and wait in every mode": {"pipeline", "every mode", "deferred"},
    "one version over all tries of a killed task": {"one version, reuse"},
    "… also with `if_exists` `fail` or `create`": {"one version, fail", "one version, create"},
    "DAGs that start when anybody publishes": {"events"},
    "… and no version is lost over a restart of the triggerer": {"events, over restarts"},
    "the model's asset as an outlet, where it is given": {"outlet, given"},
    "… and added by itself": {"outlet, added"},
    '`newer_than="start"` in mode `reschedule`': {"start, rescheduled"},
    "the button from a task to its version": {"rest"},
    "a person's approval before a prune (Airflow's own operator)": {"approval"},
    "OpenLineage": {"lineage"},
}
"""What a row says, and what has to be shown for it."""


def main(files: list[str]) -> None:
    """Read the results, and write the table.

    Raises:
        SystemExit: Something failed on one of the Airflows: then there is no such table.
    """
    shown = dict(sorted(map(read, map(Path, files)), key=lambda result: _as_numbers(result[0])))
    heads = ["", *(".".join(version.split(".")[:2]) for version in shown)]
    rows = [[row, *("yes" if needs <= seen else "" for seen in shown.values())] for row, needs in ROWS.items()]
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in [heads, ["---"] * len(heads), *rows])
    tested = f"Shown by the tests on Airflow {', '.join(shown)}."
    for document in DOCUMENTS:
        put_between(document, "compatibility", f"\n{table}\n\n{tested}\n")
    print(table)


def read(file: Path) -> tuple[str, set[str]]:
    """Read what was shown on one Airflow.

    Returns:
        Its version, and what the tests that passed have shown.
    """
    root = ET.parse(file).getroot()  # noqa: S314 - pytest wrote it
    if broken := list(_failures(root)):
        raise SystemExit(f"{file.name}: {len(broken)} tests failed, such as {broken[0]}")
    version = next(each.attrib["value"] for each in root.iter("property") if each.attrib["name"] == "airflow")
    return version, {each.attrib["value"] for each in root.iter("property") if each.attrib["name"] == "shows"}


def _failures(root: ET.Element) -> Iterator[str]:
    for case in root.iter("testcase"):
        if case.find("failure") is not None or case.find("error") is not None:
            yield case.attrib["name"]


def _as_numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2])


if __name__ == "__main__":
    main(sys.argv[1:])
