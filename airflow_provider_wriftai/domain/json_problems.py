"""Find what prevents a value from being sent as JSON, stored in a database, or passed on by Airflow."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator

from airflow_provider_wriftai.client.text import truncated_repr
from airflow_provider_wriftai.domain.json_walk import Node, walk

DEEPEST = 64
"""Levels of objects and lists."""

LARGEST = 1024 * 1024
"""Bytes of JSON."""

RESERVED_KEYS = frozenset({"__classname__", "__version__", "__data__", "__id__", "__type", "__var"})
"""Keys by which Airflow's serialization recognizes its own objects. A JSON object with one of them does not pass
through XCom as data: Airflow refuses it, or builds an object from it."""

_MOST_PROBLEMS = 10
_MOST_VALUES = LARGEST // 2  # Each takes two bytes at least.
_LARGEST_INTEGER_BITS = 1024  # What a double can hold, as most readers of JSON have it.


def find_json_problems(value: object) -> Iterator[str]:
    """Find what is wrong with a value that is to be sent as JSON.

    Yields:
        At most eleven sentences.
    """
    count = 0
    for number, node in enumerate(walk(value)):
        if node.depth > DEEPEST:
            yield f"nested deeper than {DEEPEST} levels at {node}."
            return
        if number > _MOST_VALUES:
            # A value of which parts occur many times, as YAML's aliases make it, can be endless to walk through.
            yield f"more than {_MOST_VALUES} values; at most {LARGEST} bytes of JSON are sent."
            return
        for problem in _problems_of(node):
            yield problem
            count += 1
            if count >= _MOST_PROBLEMS:
                yield "There may be more."
                return
    if count:
        return
    size = len(json.dumps(value, allow_nan=False, ensure_ascii=False).encode())
    if size > LARGEST:
        yield f"{size} bytes of JSON; at most {LARGEST} are sent."


def find_text_problem(text: str) -> str | None:
    """Return why a string cannot be sent and stored, as in "has a NUL character"; None if it can."""
    if "\x00" in text:
        return "a NUL character, which databases refuse"
    if any("\ud800" <= character <= "\udfff" for character in text):
        return "half of a surrogate pair, which is not a character"
    return None


def _problems_of(node: Node) -> Iterator[str]:
    value = node.value
    match value:
        case None | bool() | list() | tuple():
            return
        case str():
            if (problem := find_text_problem(value)) is not None:
                yield f"the string at {node} has {problem}."
        case int():
            if value.bit_length() > _LARGEST_INTEGER_BITS:
                yield f"the integer at {node} is too large: most JSON parsers cannot hold it."
        case float():
            if not math.isfinite(value):
                yield f"the number at {node} is {value}, which JSON cannot represent."
        case dict():
            for key in value:
                if (why := _problem_of_key(key)) is not None:
                    yield f"the key {truncated_repr(key)} at {node} {why}."
        case _:
            yield f"the value at {node} is of type {type(value).__name__}, which cannot be written as JSON."


def _problem_of_key(key: object) -> str | None:
    if not isinstance(key, str):
        return f"is of type {type(key).__name__} instead of a string (in YAML, quote on:, no:, and 1:)"
    if (problem := find_text_problem(key)) is not None:
        return f"has {problem}"
    if key in RESERVED_KEYS:
        return "is reserved by Airflow's serialization, so no task could pass the version on"
    return None
