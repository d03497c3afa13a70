"""The newest versions known before a create: only what is newer can have been made by it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from airflow_provider_wriftai.client.common_types import Version
from airflow_provider_wriftai.client.pagination import PaginatedResponse
from airflow_provider_wriftai.client.references import VersionNumber, parse_version


@dataclass(frozen=True, slots=True)
class Watermark:
    """The newest versions of a model at some moment.

    Attributes:
        known: How they are named.
        is_all: Whether the model had no others.
        number: The highest number among them; None in generation 1.
        oldest: The earliest time of creation among them; None where one could not be read.
    """

    known: frozenset[str]
    is_all: bool
    number: int | None
    oldest: datetime | None

    @classmethod
    def of(cls, newest: PaginatedResponse[Version]) -> Watermark:
        """Take the watermark of a model.

        Args:
            newest: The first page of its versions.
        """
        numbers = [number for number in map(_number_of, newest.items) if number is not None]
        times = [time for time in map(_time_of, newest.items) if time is not None]
        return cls(
            known=frozenset(version["reference"] for version in newest.items),
            is_all=newest.next_cursor is None,
            number=max(numbers, default=None),
            oldest=min(times) if times and len(times) == len(newest.items) else None,
        )

    def is_below(self, version: Version) -> bool | None:
        """Tell whether a version was made later; None where that cannot be told.

        Numbers count up. Times need not, where more than one clock makes them: what is not known, and was made after
        the oldest that is, was not there before.
        """
        if version["reference"] in self.known:
            return False
        if self.is_all:
            return True
        number = _number_of(version)
        if number is not None and self.number is not None:
            return number > self.number
        created_at = _time_of(version)
        if created_at is None or self.oldest is None or created_at == self.oldest:
            return None
        return created_at > self.oldest

    def to_json(self) -> dict[str, Any]:
        """Write it as JSON."""
        return {
            "known": sorted(self.known),
            "is_all": self.is_all,
            "number": self.number,
            "oldest": self.oldest.isoformat() if self.oldest else None,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Watermark:
        """Read what :meth:`to_json` wrote.

        Raises:
            KeyError, TypeError, ValueError: It is something else.
        """
        known, is_all, number, oldest = value["known"], value["is_all"], value["number"], value["oldest"]
        if not isinstance(is_all, bool) or not isinstance(known, list) or not all(isinstance(k, str) for k in known):
            raise TypeError("'known' or 'is_all' is of another type")
        return cls(
            frozenset(known),
            is_all,
            None if number is None else int(number),
            None if oldest is None else datetime.fromisoformat(oldest),
        )


def _number_of(version: Version) -> int | None:
    reference = parse_version(version["reference"])
    return reference.number if isinstance(reference, VersionNumber) else None


def _time_of(version: Version) -> datetime | None:
    try:
        time = datetime.fromisoformat(str(version.get("created_at")))
    except ValueError:
        return None
    return time if time.tzinfo else None
