"""Decide which versions of a model are deleted: versions in, plan out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import groupby

from airflow_provider_wriftai.client.references import VersionReference
from airflow_provider_wriftai.client.text import truncated_repr
from airflow_provider_wriftai.client.version import VersionRecord
from airflow_provider_wriftai.domain.retention.calendar import CalendarRules
from airflow_provider_wriftai.domain.retention.durations import LONGEST_AGE, format_age
from airflow_provider_wriftai.domain.retention.errors import InvalidPolicyError, UnplannableError, listed_twice
from airflow_provider_wriftai.domain.retention.protection import Protection
from airflow_provider_wriftai.domain.retention.selectors import SelectedVersions
from airflow_provider_wriftai.domain.search import Match

EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
"""No version is older: the service did not exist yet. A time that was never set reads like that."""


@dataclass(frozen=True, slots=True)
class RetentionPolicy:
    """The rules of a prune. A version is deleted only if every given criterion allows it, and nothing protects it.

    Attributes:
        keep_last: How many of the newest versions are kept, counted over all versions of the model: at least 1. None
            for no such criterion.
        older_than: Only versions older than this are deleted: more than zero. None for no such criterion.
        calendar: What the calendar keeps.
        protection: What is never deleted.
        only: The versions that may be deleted at all. None for any.
        max_deletions: How many versions may be deleted at once: a plan that deletes more deletes none. None for no
            limit.
        fail_on_unmatched_protection: Whether a protection that matches no version is an error.
    """

    keep_last: int | None = None
    older_than: timedelta | None = None
    calendar: CalendarRules = field(default_factory=CalendarRules)
    protection: Protection = field(default_factory=Protection)
    only: SelectedVersions | None = None
    max_deletions: int | None = None
    fail_on_unmatched_protection: bool = False

    def __post_init__(self) -> None:
        if self.keep_last is None and self.older_than is None and not self.calendar.names:
            raise InvalidPolicyError(
                "A retention policy without a criterion would delete every version but the newest. Set at least one of "
                "keep_last, older_than, keep_daily, keep_weekly, keep_monthly, and keep_yearly."
            )
        if self.keep_last is not None and self.keep_last < 1:
            raise InvalidPolicyError(f"keep_last must be at least 1; got {self.keep_last}.")
        if self.older_than is not None and not timedelta(0) < self.older_than <= LONGEST_AGE:
            raise InvalidPolicyError(f"older_than must be more than zero and at most 100 years; got {self.older_than}.")
        if self.max_deletions is not None and self.max_deletions < 0:
            raise InvalidPolicyError(f"max_deletions must be at least 0; got {self.max_deletions}.")


@dataclass(frozen=True, slots=True)
class Decision:
    """The decision about one version, and its reason.

    Attributes:
        version: The version.
        delete: Whether it is deleted.
        reason: Why.
        is_protected: Whether it is kept only because it is protected.
        needs_image: Whether it is kept only because its image, which may be protected, is unknown.
    """

    version: VersionRecord
    delete: bool
    reason: str
    is_protected: bool = False
    needs_image: bool = False


@dataclass(frozen=True)
class Plan:
    """A decision for each version of a model, newest first."""

    decisions: tuple[Decision, ...]

    @cached_property
    def to_delete(self) -> tuple[Decision, ...]:
        """The versions to delete, oldest first: in the order in which they are deleted."""
        return tuple(decision for decision in reversed(self.decisions) if decision.delete)

    @cached_property
    def protected(self) -> tuple[Decision, ...]:
        """The versions that only their protection keeps, newest first."""
        return tuple(decision for decision in self.decisions if decision.is_protected)

    @cached_property
    def kept(self) -> tuple[Decision, ...]:
        """The versions that the criteria keep, newest first."""
        return tuple(decision for decision in self.decisions if not decision.delete and not decision.is_protected)

    @property
    def needing_images(self) -> tuple[Decision, ...]:
        """The versions that are kept only as long as their image is unknown."""
        return tuple(decision for decision in self.decisions if decision.needs_image)


def creation_time(version: VersionRecord) -> datetime:
    """Return when a version was created.

    Raises:
        UnplannableError: The creation time is missing, is not ISO 8601 with a time zone, or is implausible.
    """
    if version.created_at is None or version.created_at < EARLIEST:
        raise UnplannableError(
            f"The service returned {version.reference} with created_at "
            f"{truncated_repr(version.body.get('created_at', version.created_at))}, which is not an ISO 8601 time "
            "since the year 2000, with a time zone. Without it, no safe decision is possible, so nothing was deleted."
        )
    return version.created_at


def plan(versions: Iterable[VersionRecord], policy: RetentionPolicy, now: datetime) -> Plan:
    """Decide about every version of a model.

    Args:
        versions: All versions of the model, in any order.
        policy: What is kept.
        now: The time at which ages are measured, with its time zone.

    Returns:
        A decision and a reason for each version. The newest is always kept.

    Raises:
        UnplannableError: A time of creation is missing, a version is listed twice, or some have numbers and some ids.
        PatternTimeoutError: The search for a protected pattern took too long.
    """
    groups = _newest_first(list(versions))
    by_calendar = policy.calendar.reasons_to_keep(groups)
    decisions: list[Decision] = []
    for group in groups:
        # Of versions that were created at the same time, any may be the newer one: each has the place of the newest.
        place = len(decisions)
        for version, created_at in group:
            age = max(timedelta(0), now - created_at)
            decisions.append(_decide(place, version, age, policy, by_calendar))
    return Plan(tuple(decisions))


def _newest_first(versions: Sequence[VersionRecord]) -> list[list[tuple[VersionRecord, datetime]]]:
    """Sort versions into groups of which none is newer than another: the newest group first."""
    counts = Counter(version.reference for version in versions)
    if len(counts) != len(versions):
        twice = next(reference for reference, count in counts.items() if count > 1)
        raise listed_twice(twice)
    timed = [(version, creation_time(version)) for version in versions]
    numbers = [version.number for version in versions if version.number is not None]
    if numbers and len(numbers) != len(versions):
        raise UnplannableError(
            "The service named some versions by number and some by id, so it is unknown which are newer. Nothing was "
            "deleted."
        )
    if numbers:
        return [[each] for each in sorted(timed, key=lambda each: each[0].number or 0, reverse=True)]
    timed.sort(key=lambda each: (each[1], str(each[0].reference)), reverse=True)
    return [list(group) for _, group in groupby(timed, key=lambda each: each[1])]


def _decide(
    place: int,
    version: VersionRecord,
    age: timedelta,
    policy: RetentionPolicy,
    by_calendar: Mapping[VersionReference, str],
) -> Decision:
    kept = _reason_to_keep(place, version.reference, age, policy, by_calendar)
    if kept is not None:
        return Decision(version, delete=False, reason=kept)
    match, reason = policy.protection.match(version)
    if match is not Match.NO:
        return Decision(version, delete=False, reason=reason, is_protected=True, needs_image=match is Match.UNKNOWN)
    criteria = []
    if policy.keep_last is not None:
        criteria.append(f"number {place + 1} from the newest, {policy.keep_last} kept")
    if policy.older_than is not None:
        criteria.append(
            f"{_format_age_against(age, policy.older_than)} old, older than {format_age(policy.older_than)}"
        )
    if policy.calendar.names:
        criteria.append(f"not kept by {', '.join(policy.calendar.names)}")
    return Decision(version, delete=True, reason="; ".join(criteria))


def _format_age_against(age: timedelta, limit: timedelta) -> str:
    """Format an age so that it differs from a limit that it differs from."""
    shown = format_age(age)
    if shown != format_age(limit) or age == limit:
        return shown
    return f"just {'over' if age > limit else 'under'} {shown}"


def _reason_to_keep(
    place: int,
    reference: VersionReference,
    age: timedelta,
    policy: RetentionPolicy,
    by_calendar: Mapping[VersionReference, str],
) -> str | None:
    if place == 0:
        return "the newest version is always kept"
    if policy.keep_last is not None and place < policy.keep_last:
        return f"one of the newest {policy.keep_last}"
    if policy.older_than is not None and age <= policy.older_than:
        return f"{_format_age_against(age, policy.older_than)} old, not older than {format_age(policy.older_than)}"
    if reference in by_calendar:
        return by_calendar[reference]
    if policy.only is not None and reference not in policy.only:
        return "not among the versions in 'only'"
    return None
