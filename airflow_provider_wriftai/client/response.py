"""A response as received, before it is interpreted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


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


NO_CONTENT = Response(204, {}, b"")
"""Stands for the lost response to a delete, where a later attempt found nothing to delete."""


def parse_http_date(text: str) -> datetime | None:
    """Parse an HTTP date (RFC 9110, section 5.6.7); None if the text is not one."""
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return date.replace(tzinfo=UTC) if date.tzinfo is None else date
