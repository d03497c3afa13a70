"""Write what the latest full campaign showed into documents, between their marks.

``PYTHONPATH=scripts python chaos/reliability_page.py [DOCUMENT …]``; without any, into ``docs/reliability.md``.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from marks import markdown_table, put_between
from table import HEADS, cells_of

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results" / "campaign.json"
PAGE = HERE.parent / "docs" / "reliability.md"


def main() -> None:
    """Write the documents."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("documents", nargs="*", type=Path, default=[PAGE], help="Markdown files with the marks")
    parser.add_argument("--results", type=Path, default=RESULTS, help="what the campaign has written")
    options = parser.parse_args()
    results = json.loads(options.results.read_text())
    for document in options.documents:
        put_between(document, "reliability", f"\n{summary(results)}\n")
        if "<!-- reliability-details:begin -->" in document.read_text():
            put_between(document, "reliability-details", f"\n{details(results)}\n")


def summary(results: Mapping[str, Any]) -> str:
    """Tell what was counted, and when."""
    table = markdown_table(HEADS, map(cells_of, results["rows"]), numbers=HEADS[1:])
    return "\n\n".join([measured(results), table, *remarks(results)])


def measured(results: Mapping[str, Any]) -> str:
    """Tell when it was, and on what."""
    machine = results["machine"]
    return (
        f"Run on {results['date']}, in {results['seconds'] / 60:.0f} minutes, with seed {results['seed']}, on Airflow "
        f"{machine['airflow']}, Python {machine['python']}, {machine['system']}, {machine['processors']} processors."
    )


def remarks(results: Mapping[str, Any]) -> Iterator[str]:
    """Tell what must be known to read the table."""
    for row in results["rows"]:
        windows = row["notes"].get("kills between an event and its mark")
        if windows:
            again = row["notes"]["told again because of that"]
            yield (
                f"{windows:g} of the kills came after Airflow had stored an event and before its mark was moved, the "
                f"one moment at which a version may be told again: {again:g} {'was' if again == 1 else 'were'}, as the "
                "guide says, which is not counted as duplicated."
            )
        scheduler = row["notes"].get("failed by Airflow's scheduler and tried again")
        if scheduler:
            yield (
                f"{scheduler:g} of the waits were failed by Airflow's scheduler, which takes the end of the deferral "
                "for the end of a task that its trigger has resumed already "
                "([apache/airflow#71580](https://github.com/apache/airflow/issues/71580)); their next try ended well."
            )
    for each in results["left_out"]:
        yield f"Left out: `{each['name']}`, because {each['why']}."


def details(results: Mapping[str, Any]) -> str:
    """Tell what else was counted, and what errors said."""
    lines = []
    for row in results["rows"]:
        counted = ", ".join(f"{name}: {number:,g}" for name, number in row["notes"].items())
        lines += [f"- {row['title']}: {counted}."] if counted else []
    examples = [
        f"- {error}" for row in results["rows"] if not row["is_peer"] for error in row["examples of errors"][:2]
    ]
    return "\n".join([*lines, "", "Of the errors, some in full or as they begin:", "", "```text", *examples, "```"])


if __name__ == "__main__":
    main()
