"""Calendar retention: keep the newest version of each of the last days, weeks, months, and years."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from airflow_provider_wriftai.client.references import VersionReference
from airflow_provider_wriftai.client.version import VersionRecord
from airflow_provider_wriftai.domain.retention.errors import InvalidPolicyError
from airflow_provider_wriftai.domain.times import to_utc


def _week(time: datetime) -> str:
    year, week, _ = time.isocalendar()
    return f"{year:04}-W{week:02}"


_PERIODS: Sequence[tuple[str, Callable[[datetime], str]]] = (
    ("keep_daily", lambda time: f"{time:%Y-%m-%d}"),
    ("keep_weekly", _week),
    ("keep_monthly", lambda time: f"{time:%Y-%m}"),
    ("keep_yearly", lambda time: f"{time:%Y}"),
)


@dataclass(frozen=True, slots=True)
class CalendarRules:
    """Which versions the calendar keeps. Days, weeks (ISO 8601), months, and years are those of UTC.

    Attributes:
        keep_daily: Of how many of the latest days that have a version the newest one is kept; None for no such rule.
        keep_weekly: The same for weeks.
        keep_monthly: The same for months.
        keep_yearly: The same for years.
    """

    keep_daily: int | None = None
    keep_weekly: int | None = None
    keep_monthly: int | None = None
    keep_yearly: int | None = None

    def __post_init__(self) -> None:
        for name, count in self._counts():
            if count < 1:
                raise InvalidPolicyError(f"{name} must be at least 1; got {count}.")

    @property
    def names(self) -> tuple[str, ...]:
        """The rules that are given."""
        return tuple(name for name, _ in self._counts())

    def reasons_to_keep(
        self, newest_first: Iterable[Sequence[tuple[VersionRecord, datetime]]]
    ) -> dict[VersionReference, str]:
        """Return the versions that a rule keeps, each with the reason.

        Args:
            newest_first: All versions with their times of creation, in groups of which none is newer than another:
                the newest group first.
        """
        groups = [[(version, to_utc(time)) for version, time in group] for group in newest_first]
        reasons: dict[VersionReference, str] = {}
        counts = dict(self._counts())
        for name, period_of in _PERIODS:
            count = counts.get(name)
            if count is None:
                continue
            newest: dict[str, list[VersionRecord]] = {}
            for group in groups:
                of_group: dict[str, list[VersionRecord]] = {}
                for version, time in group:
                    of_group.setdefault(period_of(time), []).append(version)
                for period, versions in of_group.items():
                    newest.setdefault(period, versions)
            # Periods count by date and not by the order of the versions: numbers need not follow the time. Their
            # names sort as the calendar does.
            for period in sorted(newest, reverse=True)[:count]:
                for version in newest[period]:
                    reasons.setdefault(version.reference, f"the newest of {period} ({name}={count})")
        return reasons

    def _counts(self) -> list[tuple[str, int]]:
        values = [
            ("keep_daily", self.keep_daily),
            ("keep_weekly", self.keep_weekly),
            ("keep_monthly", self.keep_monthly),
            ("keep_yearly", self.keep_yearly),
        ]
        return [(name, count) for name, count in values if count is not None]
