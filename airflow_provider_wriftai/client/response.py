"""A response as received, before anybody knows what it means."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Response:
    """Status, headers (looked up by names in lower case) and the whole body of a response."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def is_success(self) -> bool:
        """Whether the status is one of 2xx."""
        return 200 <= self.status < 300

    @property
    def date(self) -> datetime | None:
        """The service's clock when it answered (the ``Date`` header), or None without a readable one."""
        return read_http_date(self.headers.get("date", ""))

    def json(self) -> Any:
        """Parse the body.

        Numbers without a fraction that no 64-bit integer holds become floats, and halves of surrogate pairs
        become question marks: Airflow can store neither.

        Raises:
            ValueError: The body is not JSON.
        """
        try:
            value = _decoder.decode(self.body.decode())
            return _whole(value) if any(escape in self.body for escape in _SURROGATES) else value
        except RecursionError as error:
            raise ValueError("nested too deeply") from error


_SURROGATES = (b"\\ud", b"\\uD")
_LONGEST_INTEGER = 18


def _bounded(digits: str) -> int | float:
    return int(digits) if len(digits) <= _LONGEST_INTEGER else float(digits)


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no JSON")


_decoder = json.JSONDecoder(parse_int=_bounded, parse_constant=_no_number)


def _whole(value: Any) -> Any:
    match value:
        case str():
            return value.encode("utf-8", "replace").decode() if not value.isascii() else value
        case list():
            return [_whole(item) for item in value]
        case dict():
            return {_whole(key): _whole(item) for key, item in value.items()}
        case _:
            return value


NO_CONTENT = Response(204, {}, b"")
"""Stands for the answer to a delete that was lost, where a later try found nothing to delete."""


def read_http_date(text: str) -> datetime | None:
    """Read an HTTP date (RFC 9110, section 5.6.7); None if it is not one."""
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return date.replace(tzinfo=UTC) if date.tzinfo is None else date
