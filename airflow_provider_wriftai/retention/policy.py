"""Which versions of a model may go: versions in, plan out."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from airflow_provider_wriftai.client.common_types import Version
from airflow_provider_wriftai.client.references import VersionNumber, parse_version
from airflow_provider_wriftai.retention.errors import InvalidPolicyError, UnplannableError

_AGE = re.compile(r"([0-9]{1,12})\s*([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


@dataclass(frozen=True, slots=True)
class RetentionPolicy:
    """What is kept. A version goes only if every criterion that is given lets it go.

    Attributes:
        keep_last: How many of the newest versions are kept, counted over all versions of the model: at
            least 1. None: this criterion lets every version go.
        older_than: Only versions older than this go: more than nothing. None: a version of any age may go.
    """

    keep_last: int | None = None
    older_than: timedelta | None = None

    def __post_init__(self) -> None:
        if self.keep_last is None and self.older_than is None:
            raise InvalidPolicyError(
                "A retention policy without a criterion would let every version but the newest go; "
                "give keep_last, older_than or both."
            )
        if self.keep_last is not None and self.keep_last < 1:
            raise InvalidPolicyError(f"keep_last must be at least 1; got {self.keep_last}.")
        if self.older_than is not None and self.older_than <= timedelta(0):
            raise InvalidPolicyError(f"older_than must be more than nothing; got {self.older_than}.")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What happens to one version, and why."""

    reference: str
    created_at: datetime
    goes: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Plan:
    """A verdict for each version of a model, newest first."""

    verdicts: tuple[Verdict, ...]

    @property
    def going(self) -> tuple[Verdict, ...]:
        """The versions that go, oldest first: in the order in which they are deleted."""
        return tuple(verdict for verdict in reversed(self.verdicts) if verdict.goes)

    @property
    def staying(self) -> tuple[Verdict, ...]:
        """The versions that stay, newest first."""
        return tuple(verdict for verdict in self.verdicts if not verdict.goes)


def read_age(text: str) -> timedelta:
    """Read an age such as ``30d``: a whole number and one of s, m, h, d, w.

    Raises:
        InvalidPolicyError: It is not one.
    """
    match = _AGE.fullmatch(text.strip())
    if not match:
        raise InvalidPolicyError(f"An age is a whole number and one of s, m, h, d, w, such as '30d'; got {text!r}.")
    number, unit = match.groups()
    try:
        return timedelta(**{_UNITS[unit]: int(number)})
    except OverflowError as error:
        raise InvalidPolicyError(f"The age {text!r} is longer than time can be counted.") from error


def plan(versions: Iterable[Version], policy: RetentionPolicy, now: datetime) -> Plan:
    """Decide about every version of a model.

    Args:
        versions: All versions of the model, in any order.
        policy: What is kept.
        now: The time at which ages are measured, with its time zone.

    Returns:
        A verdict and a reason for each version. The newest always stays.

    Raises:
        UnplannableError: A version's ``created_at`` cannot be read or lacks its time zone, or a version is
            listed twice.
    """
    seen = [_Seen.of(version) for version in versions]
    numbered = all(version.number is not None for version in seen)
    if not numbered and any(version.number is not None for version in seen):
        raise UnplannableError(
            "The service named some versions by number and some by id, so it cannot be told which are newer; "
            "nothing was deleted."
        )
    seen.sort(key=lambda version: version.by_number if numbered else version.by_time, reverse=True)
    references = {version.reference for version in seen}
    if len(references) != len(seen):
        raise UnplannableError("The service listed a version twice, so its list cannot be relied on.")
    return Plan(tuple(_decide(position, version, policy, now) for position, version in enumerate(seen)))


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the plan needs of a version."""

    reference: str
    created_at: datetime
    number: int | None

    @classmethod
    def of(cls, version: Version) -> _Seen:
        # Not the field as it was sent: only what names the version in calls has been checked.
        reference = parse_version(version["reference"])
        number = reference.number if isinstance(reference, VersionNumber) else None
        return cls(version["reference"], _read_time(version), number)

    @property
    def by_number(self) -> tuple[int, str]:
        return (self.number or 0, self.reference)

    @property
    def by_time(self) -> tuple[datetime, str]:
        return (self.created_at, self.reference)


def _decide(position: int, version: _Seen, policy: RetentionPolicy, now: datetime) -> Verdict:
    age = now - version.created_at
    goes = False
    if position == 0:
        reason = "the newest version always stays"
    elif policy.keep_last is not None and position < policy.keep_last:
        reason = f"one of the newest {policy.keep_last}"
    elif policy.older_than is not None and age <= policy.older_than:
        reason = f"{_words(age)} old, not older than {_words(policy.older_than)}"
    else:
        goes = True
        criteria = []
        if policy.keep_last is not None:
            criteria.append(f"number {position + 1} from the newest, {policy.keep_last} are kept")
        if policy.older_than is not None:
            criteria.append(f"{_words(age)} old, older than {_words(policy.older_than)}")
        reason = "; ".join(criteria)
    return Verdict(version.reference, version.created_at, goes, reason)


def _read_time(version: Version) -> datetime:
    text = version.get("created_at")
    try:
        time = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        time = None
    if time is None or time.tzinfo is None:
        raise UnplannableError(
            f"{version['reference']} has created_at {text!r}, which is no ISO 8601 time with a time zone; "
            "without it nothing can be decided, so nothing was deleted."
        )
    return time


def _words(age: timedelta) -> str:
    for unit, length in (("d", timedelta(days=1)), ("h", timedelta(hours=1)), ("m", timedelta(minutes=1))):
        if abs(age) >= length:
            return f"{age / length:.1f}".removesuffix(".0") + unit
    return f"{age.total_seconds():.0f}s"
