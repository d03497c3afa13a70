"""Objects that arrive as text: as JSON, or as Python writes a dict that passed through a plain template."""

from __future__ import annotations

import ast
import json
import math

from airflow_provider_wriftai.client.text import truncated_repr
from airflow_provider_wriftai.domain.json_walk import walk

BYTE_ORDER_MARK = "\ufeff"
_LONGEST_LITERAL = 256 * 1024  # Python takes some 450 bytes for each of them.
_MOST_QUOTES = 3


class UnreadableObjectError(ValueError):
    """The text is neither JSON nor a Python literal of JSON's types."""


def parse_value(text: str) -> object:
    """Read a value from text.

    Args:
        text: JSON, JSON inside a JSON string, or a Python literal of JSON's types: what a template makes of a dict
            or list that it writes out.

    Returns:
        The value; never text that is itself JSON or a literal of an object or a list.

    Raises:
        UnreadableObjectError: The text is neither. The message says why, as the end of a sentence.
    """
    value: object = text
    for _ in range(_MOST_QUOTES):
        if not isinstance(value, str):
            break
        value = _parse_once(value.removeprefix(BYTE_ORDER_MARK).strip())
        if isinstance(value, str) and not value.lstrip().startswith(("{", "[", '"')):
            break
    return value


def _parse_once(text: str) -> object:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        if text.startswith(("{", "[")) and "'" in text:
            return _parse_literal(text)
        raise UnreadableObjectError(
            f"line {error.lineno}, column {error.colno} is not valid JSON: {error.msg}"
        ) from error
    except (ValueError, RecursionError) as error:
        raise UnreadableObjectError(f"it cannot be read as JSON: {truncated_repr(str(error))}") from error


def _parse_literal(text: str) -> object:
    advice = "pass the task's `.output`, or add `| tojson` to the template"
    if len(text) > _LONGEST_LITERAL:
        raise UnreadableObjectError(f"it looks like a Python object that a template wrote out; {advice}")
    try:
        value = ast.literal_eval(text)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError) as error:
        raise UnreadableObjectError(
            f"it is neither JSON nor a Python literal. If it is a Python object that a template wrote out, {advice}"
        ) from error
    for node in walk(value):
        each = node.value
        if isinstance(each, float) and not math.isfinite(each):
            continue  # Refused later, with its place.
        if each is not None and not isinstance(each, str | bool | int | float | list | dict):
            raise UnreadableObjectError(
                f"it is a Python object with a value of type {type(each).__name__}, which JSON cannot represent; "
                + advice
            )
    return value
