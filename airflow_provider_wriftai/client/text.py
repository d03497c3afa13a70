"""Show text that somebody else wrote: escaped, on one line, and bounded.

Names, release notes, error details, and file contents come from services, publishers, and build tools. Written out as
they are, they could forge a log line (a newline, a carriage return), reorder what a reader sees (U+202E), color a
terminal (ESC), or fold Airflow's log (``::group::``).
"""

from __future__ import annotations

from collections.abc import Sequence

LONGEST_VALUE = 60
"""Characters of a value that a message shows."""

LONGEST_TEXT = 500
"""Characters of a longer text, such as the detail of an error."""

_LONGEST_PATH = 60
_LOG_COMMAND = "::"


def escape(text: str, limit: int = LONGEST_TEXT) -> str:
    """Return a text with everything escaped that is not printable, on one line and at most ``limit`` characters
    long."""
    # Twice the limit is enough: white space is folded, and everything else only grows.
    folded = " ".join(text[: 2 * limit].split())
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in folded)
    shown = _without_log_commands(shown)
    return truncate(shown if len(text) <= 2 * limit else f"{shown}…", limit)


def truncate(text: str, limit: int) -> str:
    """Return a text that is known to be safe, at most ``limit`` characters long."""
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def truncated_repr(value: object, limit: int = LONGEST_VALUE) -> str:
    """Return a value as Python writes it, escaped and at most a little longer than ``limit`` characters."""
    if isinstance(value, str):
        return _without_log_commands(repr(value if len(value) <= limit else f"{value[:limit]}…"))
    if isinstance(value, bytes):
        return repr(value[:limit]) + ("…" if len(value) > limit else "")
    if isinstance(value, int) and value.bit_length() > 4 * limit:
        # Python refuses to write out a number of thousands of digits.
        return f"an int of {value.bit_length()} bits"
    try:
        written = repr(value)
    except Exception:  # noqa: BLE001 - a foreign object's repr may raise anything
        return f"a {type(value).__name__} that cannot be written out"
    written = written if len(written) <= limit else f"{written[:limit]}…"
    return _without_log_commands(escape(written, limit + 1))


def path_repr(path: object) -> str:
    """Return the repr of a path. A long path loses its beginning, because its last segments matter most."""
    text = str(path)
    return truncated_repr(text if len(text) <= _LONGEST_PATH else f"…{text[1 - _LONGEST_PATH :]}")


def format_count(count: int, noun: str) -> str:
    """Return a count with its noun: ``1 version``, ``2 versions``."""
    return f"{count} {noun if count == 1 else f'{noun}s'}"


def join_limited(lines: Sequence[str], most: int = 20) -> str:
    """Return lines as an indented list that begins on a new line; of a long one, the first ``most``."""
    more = [f"… and {len(lines) - most} more"] if len(lines) > most else []
    return "".join(f"\n  - {line}" for line in [*lines[:most], *more])


def _without_log_commands(text: str) -> str:
    return text.replace(_LOG_COMMAND, ":\\x3a")
