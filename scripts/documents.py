"""Write the generated parts of the documents."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from pathlib import Path


def markdown_table(heads: Sequence[str], rows: Iterable[Sequence[str]], numbers: Collection[str] = ()) -> str:
    """Return a Markdown table.

    Args:
        heads: The headings of the columns.
        rows: The cells of each row.
        numbers: The headings of the columns that are aligned to the right.
    """
    ruler = ["---:" if head in numbers else "---" for head in heads]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [heads, ruler, *rows])


def replace_section(document: Path, name: str, text: str) -> None:
    """Replace the text between ``<!-- name:begin -->`` and ``<!-- name:end -->`` in a Markdown file.

    Raises:
        ValueError: The document lacks these comments.
    """
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    before, first, rest = document.read_text().partition(begin)
    _, last, after = rest.partition(end)
    if not first or not last:
        raise ValueError(f"{document.name} lacks {begin} and {end}")
    document.write_text(f"{before}{begin}\n{text}\n{end}{after}")
