"""Values that templates and other tasks rendered to nothing."""

from __future__ import annotations


def is_empty(value: object) -> bool:
    """Return whether a value is None, its text, or empty text."""
    return value is None or (isinstance(value, str) and value.strip() in ("", "None"))


def explain_empty(value: object) -> str:
    """Return a sentence to append to a message about an empty value; nothing for other values."""
    return " The template or task rendered to an empty value." if is_empty(value) else ""
