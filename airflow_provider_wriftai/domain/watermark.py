"""The newest versions of a model at some moment, to tell later which have come since."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from airflow_provider_wriftai.client.common_types import Version
from airflow_provider_wriftai.client.pagination import PaginatedResponse
from airflow_provider_wriftai.client.summary import VersionSummary


@dataclass(frozen=True, slots=True)
class Watermark:
    """The newest versions of a model at some moment.

    Attributes:
        known: How they are named; in generation 2 empty, because the number tells.
        is_all: Whether the model had no others.
        number: The highest number among them; None in generation 1.
        oldest: The earliest time of creation among them; None where one could not be read.
    """

    known: frozenset[str] = frozenset()
    is_all: bool = False
    number: int | None = None
    oldest: datetime | None = None

    @classmethod
    def of(cls, newest: PaginatedResponse[Version]) -> Watermark:
        """Take the watermark of a model.

        Args:
            newest: The first page of its versions.
        """
        return cls.of_summaries(map(VersionSummary.of, newest.items), is_all=newest.next_cursor is None)

    @classmethod
    def of_summaries(cls, newest: Iterable[VersionSummary], *, is_all: bool) -> Watermark:
        """Take the watermark of a model whose newest versions are known.

        Args:
            newest: The newest versions.
            is_all: Whether the model has no others.
        """
        summaries = list(newest)
        numbers = [summary.number for summary in summaries if summary.number is not None]
        if numbers and len(numbers) == len(summaries):
            # Numbers count up: nothing else is needed.
            return cls(is_all=is_all, number=max(numbers))
        times = [summary.created_at for summary in summaries if summary.created_at is not None]
        return cls(
            known=frozenset(summary.reference for summary in summaries),
            is_all=is_all,
            number=None,
            oldest=min(times) if times and len(times) == len(summaries) else None,
        )

    def is_below(self, version: VersionSummary) -> bool | None:
        """Tell whether a version was made later; None where that cannot be told.

        Numbers count up. Times need not, where more than one clock makes them: what is not known, and was made after
        the oldest that is, was not there before.
        """
        if version.reference in self.known:
            return False
        if version.number is not None and self.number is not None:
            return version.number > self.number
        if self.is_all:
            return True
        if version.created_at is None or self.oldest is None or version.created_at == self.oldest:
            return None
        return version.created_at > self.oldest

    def passing(self, version: VersionSummary) -> Watermark:
        """The same, where one more version is known: none newer, in generation 2, and that one, in generation 1."""
        if version.number is not None:
            return replace(self, number=max(version.number, self.number or 0))
        return replace(self, known=self.known | {version.reference})

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
