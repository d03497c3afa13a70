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
    """Status, headers (names in lower case) and the whole body of a response."""

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

        Raises:
            ValueError: The body is not JSON.
        """
        try:
            return json.loads(self.body)
        except RecursionError as error:
            raise ValueError("nested too deeply") from error


NO_CONTENT = Response(204, {}, b"")


def read_http_date(text: str) -> datetime | None:
    """Read an HTTP date (RFC 9110, section 5.6.7); None if it is not one."""
    try:
        date = parsedate_to_datetime(text)
    except ValueError:
        return None
    return date.replace(tzinfo=UTC) if date.tzinfo is None else date
