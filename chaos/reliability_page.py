"""Write the result of the latest full campaign to documents: ``python -m chaos.reliability_page [DOCUMENT …]``."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from chaos.report import HEADS, format_cells
from scripts.documents import markdown_table, replace_section

RESULTS = Path(__file__).resolve().parent / "results" / "campaign.json"
_PAGE = RESULTS.parents[2] / "docs" / "reliability.md"


def main(documents: list[Path]) -> None:
    """Update the generated parts of the documents."""
    result = json.loads(RESULTS.read_text())
    for document in documents:
        replace_section(document, "reliability", f"\n{format_summary(result)}\n")
        if "<!-- reliability-details:begin -->" in document.read_text():
            replace_section(document, "reliability-details", f"\n{format_details(result)}\n")


def format_summary(result: Mapping[str, Any]) -> str:
    """Return the table, with the date and the machine of the run."""
    machine = result["machine"]
    run = (
        f"{'Short run' if result['quick'] else 'Run'} on {result['date']}, in {result['seconds'] / 60:.0f} minutes, "
        f"with seed {result['seed']}, on Airflow {machine['airflow']}, Python {machine['python']}, "
        f"{machine['system']}, {machine['processors']} processors."
    )
    table = markdown_table(HEADS, map(format_cells, result["rows"]), numbers=HEADS[1:])
    return "\n\n".join([run, table, *_remarks(result)])


def _remarks(result: Mapping[str, Any]) -> Iterator[str]:
    for row in result["rows"]:
        windows = row["notes"].get("interruptions between an event and its checkpoint")
        if windows:
            again = row["notes"]["events delivered again"]
            yield (
                f"A triggerer was interrupted between an event and its checkpoint {windows:g} times. Only then may an "
                f"event be delivered again, which does not count as duplicated. {again:g} "
                f"{'event was' if again == 1 else 'events were'} delivered again."
            )
    for each in result["left_out"]:
        yield f"Skipped `{each['name']}`: {each['reason']}."


def format_details(result: Mapping[str, Any]) -> str:
    """Return the notes on each row, and examples of errors."""
    lines = []
    for row in result["rows"]:
        notes = ", ".join(f"{name}: {number:,g}" for name, number in row["notes"].items())
        lines += [f"- {row['title']}: {notes}."] if notes else []
    examples = [f"- {error}" for row in result["rows"] for error in row["examples of errors"][:2]]
    return "\n".join([*lines, "", "Examples of errors, truncated to 300 characters:", "", "```text", *examples, "```"])


if __name__ == "__main__":
    main([Path(document) for document in sys.argv[1:]] or [_PAGE])
