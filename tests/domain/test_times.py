"""Times at the edges of what a datetime can hold."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from airflow_provider_wriftai.domain.times import EARLIEST, LATEST, subtract, to_utc

WEST = timezone(timedelta(hours=-12))
EAST = timezone(timedelta(hours=14))


def test_usual_times_are_converted_exactly() -> None:
    time = datetime(2026, 1, 1, 2, tzinfo=EAST)
    assert to_utc(time).isoformat() == "2025-12-31T12:00:00+00:00"
    assert subtract(time, timedelta(hours=1)).isoformat() == "2025-12-31T11:00:00+00:00"


def test_times_beyond_utc_become_its_first_or_last_one() -> None:
    assert to_utc(datetime.max.replace(tzinfo=WEST)) == LATEST
    assert to_utc(datetime.min.replace(tzinfo=EAST)) == EARLIEST


@pytest.mark.parametrize(("days", "expected"), [(10**9 - 1, EARLIEST), (-(10**9 - 1), LATEST)])
def test_long_durations_lead_to_the_first_or_last_time(days: int, expected: datetime) -> None:
    assert subtract(datetime(2026, 1, 1, tzinfo=UTC), timedelta(days=days)) == expected
