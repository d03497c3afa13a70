"""A response as received, before it is interpreted."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

DEEPEST_JSON = 200
"""Levels of nesting that are read. Airflow's serialization fails with a RecursionError at about 480."""


@dataclass(frozen=True, slots=True)
class Response:
    """Status, headers (looked up by lower-case names), and the whole body of a response."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def is_success(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status < 300

    @property
    def date(self) -> datetime | None:
        """The service's clock when it answered (the ``Date`` header); None without a readable one."""
        return parse_http_date(self.headers.get("date", ""))

    def json(self) -> Any:
        """Parse the body.

        Refused is what later steps cannot hold: numbers beyond a double (``1e999``, integers of 400 digits), NUL
        characters (no database stores them), and deep nesting. Integers that do not fit into 64 bits become floats, and
        halves of surrogate pairs become question marks.

        Raises:
            ValueError: The body is not JSON, or contains one of these.
        """
        try:
            value = _decoder.decode(self.body.decode())
        except RecursionError as error:
            raise ValueError("it is nested too deeply") from error
        _check_depth(value)
        # The text may also be an escaped backslash before "u0000", so the bytes alone do not suffice.
        if b"\\u0000" in self.body and _contains_nul(value):
            raise ValueError("it contains a NUL character")
        return _without_surrogates(value) if any(escape in self.body for escape in _SURROGATES) else value


_SURROGATES = (b"\\ud", b"\\uD")
_LONGEST_INTEGER = 18
_LONGEST_NUMBER = 320


def _parse_integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= _LONGEST_INTEGER else _parse_float(digits)


def _parse_float(digits: str) -> float:
    number = float(digits) if len(digits) <= _LONGEST_NUMBER else math.inf
    if math.isinf(number):
        raise ValueError("it contains a number that is too large")
    return number


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not valid JSON")


_decoder = json.JSONDecoder(parse_int=_parse_integer, parse_float=_parse_float, parse_constant=_refuse_constant)


def _check_depth(value: Any) -> None:
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
            return
    raise ValueError(f"it is nested deeper than {DEEPEST_JSON} levels")


def _contains_nul(value: Any) -> bool:
    match value:
        case str():
            return "\0" in value
        case list():
            return any(map(_contains_nul, value))
        case dict():
            return any("\0" in key or _contains_nul(item) for key, item in value.items())
        case _:
            return False


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


NO_CONTENT = Response(204, {}, b"")
"""Stands for the lost response to a delete, where a later attempt found nothing to delete."""


def parse_http_date(text: str) -> datetime | None:
    """Parse an HTTP date (RFC 9110, section 5.6.7); None if the text is not one."""
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return date.replace(tzinfo=UTC) if date.tzinfo is None else date
