"""Foreign text in messages: escaped and bounded, and the end of a path rather than its beginning."""

from __future__ import annotations

from airflow_provider_wriftai.client.text import truncated_repr

_LONGEST_PATH = 60


def path_repr(path: object) -> str:
    """Show a path, or its end if it is long: the last segments say the most."""
    text = str(path)
    return truncated_repr(text if len(text) <= _LONGEST_PATH else f"…{text[1 - _LONGEST_PATH :]}")
