"""The newest versions of a model at some moment, to decide later which versions are newer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from typing import Any

from airflow_provider_wriftai.client.pagination import PaginatedResponse
from airflow_provider_wriftai.client.references import VersionReference, parse_version
from airflow_provider_wriftai.client.version import VersionRecord


class Age(Enum):
    """How a version compares to a watermark."""

    NEWER = "newer"
    NOT_NEWER = "not newer"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Watermark:
    """The newest versions of a model at some moment.

    Attributes:
        known: The newest versions; empty in generation 2, where the number suffices.
        is_all: Whether the model had no others.
        number: The highest number among them; None in generation 1.
        oldest: The earliest time of creation among them; None if one is unknown.
    """

    known: frozenset[VersionReference] = frozenset()
    is_all: bool = False
    number: int | None = None
    oldest: datetime | None = None

    @classmethod
    def of_page(cls, newest: PaginatedResponse[VersionRecord]) -> Watermark:
        """Take the watermark of a model from the first page of its versions."""
        return cls.of_versions(newest.items, is_all=newest.next_cursor is None)

    @classmethod
    def of_versions(cls, newest: Iterable[VersionRecord], *, is_all: bool) -> Watermark:
        """Take the watermark of a model whose newest versions are known.

        Args:
            newest: The newest versions.
            is_all: Whether the model has no others.
        """
        versions = list(newest)
        numbers = [version.number for version in versions if version.number is not None]
        if numbers and len(numbers) == len(versions):
            # Numbers count up, so the highest one says everything.
            return cls(is_all=is_all, number=max(numbers))
        times = [version.created_at for version in versions if version.created_at is not None]
        return cls(
            known=frozenset(version.reference for version in versions),
            is_all=is_all,
            number=None,
            oldest=min(times) if times and len(times) == len(versions) else None,
        )

    def compare(self, version: VersionRecord) -> Age:
        """Return whether a version is newer than the watermark.

        Numbers count up. Times need not, because several machines make them: a version that is not known, and was
        created after the oldest that is, did not exist when the watermark was taken.
        """
        if version.reference in self.known:
            return Age.NOT_NEWER
        if version.number is not None and self.number is not None:
            return Age.NEWER if version.number > self.number else Age.NOT_NEWER
        if self.is_all:
            return Age.NEWER
        if version.created_at is None or self.oldest is None or version.created_at == self.oldest:
            return Age.UNKNOWN
        return Age.NEWER if version.created_at > self.oldest else Age.NOT_NEWER

    def advance(self, version: VersionRecord) -> Watermark:
        """Return the watermark past one more version: at its number, or with its id among the known ones."""
        if version.number is not None:
            return replace(self, number=max(version.number, self.number or 0))
        return replace(self, known=self.known | {version.reference})

    def merge(self, other: Watermark) -> Watermark:
        """Return the watermark past everything that either of the two is past: it never moves backwards."""
        numbers = [number for number in (self.number, other.number) if number is not None]
        times = [time for time in (self.oldest, other.oldest) if time is not None]
        return Watermark(
            known=self.known | other.known,
            is_all=self.is_all or other.is_all,
            number=max(numbers, default=None),
            oldest=max(times, default=None),
        )

    def to_json(self) -> dict[str, Any]:
        """Return the watermark as JSON."""
        return {
            "known": sorted(map(str, self.known)),
            "is_all": self.is_all,
            "number": self.number,
            "oldest": self.oldest.isoformat() if self.oldest else None,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Watermark:
        """Parse what :meth:`to_json` returned.

        Raises:
            KeyError, TypeError, ValueError: It is something else.
        """
        known, is_all, number, oldest = value["known"], value["is_all"], value["number"], value["oldest"]
        if not isinstance(is_all, bool) or not isinstance(known, list):
            raise TypeError("'known' or 'is_all' is of another type")
        if number is not None and (not isinstance(number, int) or isinstance(number, bool)):
            raise TypeError("'number' is of another type")
        time = None if oldest is None else datetime.fromisoformat(oldest)
        if time is not None and time.tzinfo is None:
            raise ValueError("'oldest' has no time zone")
        return cls(frozenset(map(parse_version, known)), is_all, number, time)
