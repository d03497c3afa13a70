"""JSON from a service: parsed within what later steps can hold."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

DEEPEST_JSON = 200
"""Levels of nesting that are read. Airflow's serialization fails with a RecursionError at about 480."""

_SURROGATES = (b"\\ud", b"\\uD")
_LONGEST_INTEGER = 18  # digits
_LONGEST_NUMBER = 320  # characters
_TOO_DEEP = f"it is nested deeper than {DEEPEST_JSON} levels"
_TOO_LARGE = "it contains a number that is too large"
_NUL = "it contains a NUL character"
# A string that does not end goes on until the end of the text, so that each character is looked at once.
_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\Z)|[\[\]{}]', re.DOTALL)


def parse_json(body: bytes) -> Any:
    """Parse a body.

    It refuses what later steps cannot hold: numbers beyond a double (``1e999``, integers of 400 digits), NUL characters
    (no database stores them), and deep nesting. Integers that do not fit into 64 bits become floats, and halves of
    surrogate pairs become question marks.

    Raises:
        ValueError: The body is not JSON, or contains one of these.
    """
    try:
        value = _STRICT.decode(body.decode())
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if _is_too_deep(value):
        raise ValueError(_TOO_DEEP)
    # The text may also be an escaped backslash before "u0000", so the bytes alone do not suffice.
    if b"\\u0000" in body and _contains_nul(value):
        raise ValueError(_NUL)
    return _without_surrogates(value) if any(escape in body for escape in _SURROGATES) else value


def parse_leniently(body: bytes) -> Any:
    """Parse a body that may contain what :func:`parse_json` refuses; see :func:`acceptable_members`.

    Raises:
        ValueError: The body is not JSON.
    """
    text = body.decode()
    try:
        return _LENIENT.decode(text)
    except RecursionError:
        return _LENIENT.decode(_cut_nesting(text))


def acceptable_members(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object without the members that :func:`parse_json` would refuse.

    Args:
        value: An object that :func:`parse_leniently` read.
    """
    return {
        _without_surrogates(key): _without_surrogates(item)
        for key, item in value.items()
        if not (_is_too_deep(item) or _contains_nul({key: item}) or _contains_infinity(item))
    }


def _parse_integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= _LONGEST_INTEGER else _parse_float(digits)


def _parse_float(digits: str) -> float:
    number = _parse_any_float(digits)
    if math.isinf(number):
        raise ValueError(_TOO_LARGE)
    return number


def _parse_any_integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= _LONGEST_INTEGER else _parse_any_float(digits)


def _parse_any_float(digits: str) -> float:
    return float(digits) if len(digits) <= _LONGEST_NUMBER else math.inf


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not valid JSON")


_STRICT = json.JSONDecoder(parse_int=_parse_integer, parse_float=_parse_float, parse_constant=_refuse_constant)
_LENIENT = json.JSONDecoder(parse_int=_parse_any_integer, parse_float=_parse_any_float)


def _cut_nesting(text: str) -> str:
    """Empty the objects and lists that are nested too deeply for the parser. Malformed text stays malformed."""
    deepest = DEEPEST_JSON + 10
    parts: list[str] = []
    depth = copied = 0
    for token in _TOKEN.finditer(text):
        match token[0]:
            case "[" | "{":
                if depth == deepest:
                    parts += (text[copied : token.start()], "[]")
                depth += 1
            case "]" | "}":
                depth -= 1
                if depth == deepest:
                    copied = token.end()
    return "".join((*parts, text[copied:])) if depth <= deepest else ""


def _is_too_deep(value: Any) -> bool:
    level = [value]
    for _ in range(DEEPEST_JSON):
        level = [
            child
            for each in level
            if isinstance(each, dict | list)
            for child in (each.values() if isinstance(each, dict) else each)
            if isinstance(child, dict | list)
        ]
        if not level:
            return False
    return True


def _scalars(value: Any) -> Iterator[Any]:
    """Return everything in a value that is no object and no list, keys included."""
    pending = [value]
    while pending:
        match pending.pop():
            case dict() as each:
                pending += (*each, *each.values())
            case list() as each:
                pending += each
            case scalar:
                yield scalar


def _contains_nul(value: Any) -> bool:
    return any(isinstance(each, str) and "\0" in each for each in _scalars(value))


def _contains_infinity(value: Any) -> bool:
    return any(isinstance(each, float) and not math.isfinite(each) for each in _scalars(value))


def _without_surrogates(value: Any) -> Any:
    match value:
        case str():
            return value.encode("utf-8", "replace").decode() if not value.isascii() else value
        case list():
            return [_without_surrogates(item) for item in value]
        case dict():
            return {_without_surrogates(key): _without_surrogates(item) for key, item in value.items()}
        case _:
            return value
