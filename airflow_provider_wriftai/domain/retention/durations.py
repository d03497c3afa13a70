"""Ages: read from a text, and said in words."""

from __future__ import annotations

import re
from datetime import timedelta

from airflow_provider_wriftai.domain.retention.errors import InvalidPolicyError

LONGEST_AGE = timedelta(days=100 * 366)
"""What is longer cannot be meant: a hundred years."""

_AGE = re.compile(r"([0-9]{1,12})\s*([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def parse_duration(text: str) -> timedelta:
    """Read an age such as ``30d``: a whole number and one of s, m, h, d, w.

    Raises:
        InvalidPolicyError: It is not one.
    """
    match = _AGE.fullmatch(text.strip())
    if not match:
        raise InvalidPolicyError(
            f"An age is a whole number and one of s, m, h, d, w, such as '30d'; got {text[:60]!r}."
        )
    number, unit = match.groups()
    try:
        return timedelta(**{_UNITS[unit]: int(number)})
    except OverflowError as error:
        raise InvalidPolicyError(f"The age {text!r} is longer than time can be counted.") from error


def format_age(age: timedelta) -> str:
    """Say an age in the largest unit that it fills, such as ``6.5d``."""
    for unit, length in (("d", timedelta(days=1)), ("h", timedelta(hours=1)), ("m", timedelta(minutes=1))):
        if abs(age) >= length:
            return f"{age / length:.1f}".removesuffix(".0") + unit
    return f"{age.total_seconds():.0f}s"
