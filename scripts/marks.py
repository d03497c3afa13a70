"""Generated parts of the documents: tables, and the text between two marks."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from pathlib import Path


def markdown_table(heads: Sequence[str], rows: Iterable[Sequence[str]], numbers: Collection[str] = ()) -> str:
    """Write a table.

    Args:
        heads: What stands above each column.
        rows: The cells of each row.
        numbers: The heads of the columns that are aligned as numbers are.
    """
    ruler = ["---:" if head in numbers else "---" for head in heads]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [heads, ruler, *rows])


def put_between(document: Path, name: str, text: str) -> None:
    """Replace what stands between the two marks of a name.

    Args:
        document: A Markdown file that has ``<!-- name:begin -->`` and ``<!-- name:end -->``.
        name: The name.
        text: What is to stand there.

    Raises:
        ValueError: The document lacks the marks.
    """
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    before, first, rest = document.read_text().partition(begin)
    _, last, after = rest.partition(end)
    if not first or not last:
        raise ValueError(f"{document.name} lacks {begin} and {end}")
    document.write_text(f"{before}{begin}\n{text}\n{end}{after}")
