"""A hint for messages about values that templates and other tasks rendered to nothing."""

from __future__ import annotations

EMPTY = " The template or task rendered to an empty value."


def explain_empty(value: object) -> str:
    """Return the hint, to be appended to a message, if a value is None, its text, or empty text."""
    is_empty = value is None or (isinstance(value, str) and value.strip() in ("", "None"))
    return EMPTY if is_empty else ""
