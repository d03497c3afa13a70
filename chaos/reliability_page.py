"""Write the result of the latest full campaign into documents: ``python -m chaos.reliability_page [DOCUMENT …]``."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from chaos.report import HEADS, format_cells
from scripts.marks import markdown_table, put_between

RESULTS = Path(__file__).resolve().parent / "results" / "campaign.json"
_PAGE = RESULTS.parents[2] / "docs" / "reliability.md"


def main(documents: list[Path]) -> None:
    """Write the documents."""
    result = json.loads(RESULTS.read_text())
    for document in documents:
        put_between(document, "reliability", f"\n{format_summary(result)}\n")
        if "<!-- reliability-details:begin -->" in document.read_text():
            put_between(document, "reliability-details", f"\n{format_details(result)}\n")


def format_summary(result: Mapping[str, Any]) -> str:
    """Return the table, and when and where it was made."""
    machine = result["machine"]
    made = (
        f"{'Short run' if result['quick'] else 'Run'} on {result['date']}, in {result['seconds'] / 60:.0f} minutes, "
        f"with seed {result['seed']}, on Airflow {machine['airflow']}, Python {machine['python']}, "
        f"{machine['system']}, {machine['processors']} processors."
    )
    table = markdown_table(HEADS, map(format_cells, result["rows"]), numbers=HEADS[1:])
    return "\n\n".join([made, table, *_remarks(result)])


def _remarks(result: Mapping[str, Any]) -> Iterator[str]:
    for row in result["rows"]:
        windows = row["notes"].get("faults between an event and its checkpoint")
        if windows:
            again = row["notes"]["delivered again because of that"]
            yield (
                f"{windows:g} of the faults of triggerers came between an event and its checkpoint, the one moment at "
                f"which a version may be delivered again: {again:g} {'was' if again == 1 else 'were'}, which does not "
                "count as duplicated."
            )
    for each in result["left_out"]:
        yield f"Left out: `{each['name']}`, because {each['reason']}."


def format_details(result: Mapping[str, Any]) -> str:
    """Return what else was counted, and examples of errors."""
    lines = []
    for row in result["rows"]:
        counted = ", ".join(f"{name}: {number:,g}" for name, number in row["notes"].items())
        lines += [f"- {row['title']}: {counted}."] if counted else []
    examples = [f"- {error}" for row in result["rows"] for error in row["examples of errors"][:2]]
    return "\n".join([*lines, "", "Some of the errors, in full or their beginning:", "", "```text", *examples, "```"])


if __name__ == "__main__":
    main([Path(document) for document in sys.argv[1:]] or [_PAGE])
