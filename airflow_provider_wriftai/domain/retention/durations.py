"""Durations: parsed from text, and formatted for messages."""

from __future__ import annotations

import re
from datetime import timedelta

from airflow_provider_wriftai.client.text import truncated_repr
from airflow_provider_wriftai.domain.retention.errors import InvalidPolicyError

LONGEST_AGE = timedelta(days=100 * 366)
"""A hundred years. What is longer is a mistake."""

OMITTED = "none"
"""The text that stands for a criterion that is left out, for templates over parameters that may be empty."""

_SIMPLE = re.compile(r"([0-9]{1,12})\s*(s|min|h|d|w)")
_UNITS = {"s": "seconds", "min": "minutes", "h": "hours", "d": "days", "w": "weeks"}
# ISO 8601 without years and months, which have no fixed length.
_ISO_8601 = re.compile(
    r"P(?=[0-9T])(?:(?P<weeks>[0-9]{1,12})W)?(?:(?P<days>[0-9]{1,12})D)?"
    r"(?:T(?=[0-9])(?:(?P<hours>[0-9]{1,12})H)?(?:(?P<minutes>[0-9]{1,12})M)?(?:(?P<seconds>[0-9]{1,12})S)?)?"
)
_BARE_M = re.compile(r"[0-9]+\s*[mM]")
_MONTHS_OR_YEARS = re.compile(r"P[^T]*[MY].*|[0-9]+\s*y", re.DOTALL)


def parse_duration(text: str) -> timedelta:
    """Parse a duration: ``45s``, ``90min``, ``36h``, ``30d``, ``2w``, or ISO 8601 such as ``P30D`` or ``PT36H``.

    Raises:
        InvalidPolicyError: The text is something else, or ambiguous.
    """
    stripped = text.strip()
    if _BARE_M.fullmatch(stripped):
        raise InvalidPolicyError(
            f"The duration {truncated_repr(text)} is ambiguous: 'm' could mean minutes or months. Write '90min' for "
            "minutes, and months as days, such as '180d'."
        )
    if _MONTHS_OR_YEARS.fullmatch(stripped):
        raise InvalidPolicyError(
            f"The duration {truncated_repr(text)} has no fixed length, because months and years differ. Write it as "
            "days, such as '180d'."
        )
    try:
        if match := _SIMPLE.fullmatch(stripped):
            return timedelta(**{_UNITS[match[2]]: int(match[1])})
        if match := _ISO_8601.fullmatch(stripped):
            return timedelta(**{unit: int(number) for unit, number in match.groupdict().items() if number})
    except OverflowError as error:
        raise InvalidPolicyError(f"The duration {truncated_repr(text)} is too long.") from error
    raise InvalidPolicyError(
        "A duration must be an integer and one of s, min, h, d, w, such as '30d', or ISO 8601, such as 'P30D'; got "
        f"{truncated_repr(text)}."
    )


def is_omitted(value: object) -> bool:
    """Return whether a rendered value is the text ``none``. ``None``, its text, and empty text are not: they happen
    by accident."""
    return isinstance(value, str) and value.strip() == OMITTED


def format_age(age: timedelta) -> str:
    """Format an age in the largest unit that it fills, such as ``6.5d``."""
    for unit, length in (("d", timedelta(days=1)), ("h", timedelta(hours=1)), ("min", timedelta(minutes=1))):
        if abs(age) >= length:
            return f"{age / length:.1f}".removesuffix(".0") + unit
    return f"{age.total_seconds():.0f}s"
