"""Arithmetic with times from outside, which may lie at the edges of what a ``datetime`` can hold."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

EARLIEST = datetime.min.replace(tzinfo=UTC)
LATEST = datetime.max.replace(tzinfo=UTC)


def to_utc(time: datetime) -> datetime:
    """Return a time in UTC; one that UTC cannot express as the earliest or latest time that it can."""
    try:
        return time.astimezone(UTC)
    except OverflowError:
        return EARLIEST if time.year <= 1 else LATEST


def subtract(time: datetime, duration: timedelta) -> datetime:
    """Return the time in UTC that lies a duration earlier, within what UTC can express."""
    try:
        return to_utc(time) - duration
    except OverflowError:
        return EARLIEST if duration > timedelta(0) else LATEST
