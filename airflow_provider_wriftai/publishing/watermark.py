"""The newest versions known before a create: only what is newer can have been made by it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from airflow_provider_wriftai.client.common_types import Version
from airflow_provider_wriftai.client.references import VersionNumber, parse_version


@dataclass(frozen=True, slots=True)
class Watermark:
    """The newest versions of a model at some moment.

    Attributes:
        number: The highest number; None in generation 1, and where there were no versions.
        created_at: The latest time of creation; None where there were no versions, or where it could not be read.
        references: Which versions were created at that time.
    """

    number: int | None
    created_at: datetime | None
    references: frozenset[str]

    @classmethod
    def of(cls, newest: Sequence[Version]) -> Watermark:
        """Take the watermark of a model.

        Args:
            newest: Its newest versions, in any order; none only where it has none.
        """
        numbers = [number for number in map(_number_of, newest) if number is not None]
        times = [_time_of(version) for version in newest]
        readable = [time for time in times if time is not None]
        latest = max(readable) if readable and len(readable) == len(times) else None
        return cls(
            max(numbers, default=None),
            latest,
            frozenset(version["reference"] for version, time in zip(newest, times, strict=True) if time == latest),
        )

    def is_below(self, version: Version) -> bool:
        """Tell whether a version was made later; in doubt it was not."""
        if version["reference"] in self.references:
            return False
        number = _number_of(version)
        if number is not None:
            return number > (self.number or 0)
        created_at = _time_of(version)
        if created_at is None or (self.created_at is None and self.references):
            return False
        return self.created_at is None or created_at >= self.created_at

    def to_json(self) -> dict[str, Any]:
        """Write it as JSON."""
        return {
            "number": self.number,
            "created_at": self.created_at.isoformat() if self.created_at else None,
            "references": sorted(self.references),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Watermark:
        """Read what :meth:`to_json` wrote.

        Raises:
            KeyError, TypeError, ValueError: It is something else.
        """
        number, created_at = value["number"], value["created_at"]
        return cls(
            None if number is None else int(number),
            None if created_at is None else datetime.fromisoformat(created_at),
            frozenset(_texts(value["references"])),
        )


def _texts(values: Iterable[object]) -> Iterable[str]:
    for value in values:
        if not isinstance(value, str):
            raise TypeError(f"{value!r} is no text")
        yield value


def _number_of(version: Version) -> int | None:
    reference = parse_version(version["reference"])
    return reference.number if isinstance(reference, VersionNumber) else None


def _time_of(version: Version) -> datetime | None:
    try:
        time = datetime.fromisoformat(str(version.get("created_at")))
    except ValueError:
        return None
    return time if time.tzinfo else None
