"""Which versions of a model may go: versions in, plan out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from airflow_provider_wriftai.domain.retention.durations import LONGEST_AGE, format_age
from airflow_provider_wriftai.domain.retention.errors import InvalidPolicyError, UnplannableError
from airflow_provider_wriftai.domain.retention.listed import Listed
from airflow_provider_wriftai.domain.retention.protection import Protection
from airflow_provider_wriftai.domain.retention.selectors import NamedVersions

FURTHEST_AHEAD = timedelta(minutes=5)
"""How far a time of creation may be ahead of the service's own clock: it is made by another machine of it."""


@dataclass(frozen=True, slots=True)
class RetentionPolicy:
    """What is kept. A version goes only if every criterion that is given lets it go.

    Attributes:
        keep_last: How many of the newest versions are kept, counted over all versions of the model: at
            least 1. None: this criterion lets every version go.
        older_than: Only versions older than this go: more than nothing. None: a version of any age may go.
        protection: What is never deleted, whatever else lets it go.
        only: The versions that may go at all; every other is kept. None: any may.
        max_deletions: How many versions may go at once: a plan in which more go deletes none. None: any number.
    """

    keep_last: int | None = None
    older_than: timedelta | None = None
    protection: Protection = field(default_factory=Protection)
    only: NamedVersions | None = None
    max_deletions: int | None = None

    def __post_init__(self) -> None:
        if self.keep_last is None and self.older_than is None:
            raise InvalidPolicyError(
                "A retention policy without a criterion would let every version but the newest go; "
                "give keep_last, older_than or both."
            )
        if self.keep_last is not None and self.keep_last < 1:
            raise InvalidPolicyError(f"keep_last must be at least 1; got {self.keep_last}.")
        if self.older_than is not None and not timedelta(0) < self.older_than <= LONGEST_AGE:
            raise InvalidPolicyError(
                f"older_than must be more than nothing and at most 100 years; got {self.older_than}."
            )
        if self.max_deletions is not None and self.max_deletions < 0:
            raise InvalidPolicyError(f"max_deletions must be at least 0; got {self.max_deletions}.")


@dataclass(frozen=True, slots=True)
class Decision:
    """What happens to one version, and why.

    Attributes:
        reference: How the version is named.
        created_at: When it was created.
        delete: Whether it is deleted.
        reason: Why.
        is_protected: Whether it stays because it is protected, though the criteria let it go.
        needs_image: Whether it stays because its image is not known, which may be protected.
    """

    reference: str
    created_at: datetime
    delete: bool
    reason: str
    is_protected: bool = False
    needs_image: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """A decision for each version of a model, newest first."""

    decisions: tuple[Decision, ...]

    @property
    def to_delete(self) -> tuple[Decision, ...]:
        """The versions that go, oldest first: in the order in which they are deleted."""
        return tuple(decision for decision in reversed(self.decisions) if decision.delete)

    @property
    def protected(self) -> tuple[Decision, ...]:
        """The versions that only their protection keeps, newest first."""
        return tuple(decision for decision in self.decisions if decision.is_protected)

    @property
    def kept(self) -> tuple[Decision, ...]:
        """The versions that the criteria keep, newest first."""
        return tuple(decision for decision in self.decisions if not decision.delete and not decision.is_protected)

    @property
    def needing_images(self) -> tuple[Decision, ...]:
        """The versions that stay as long as their image is not known."""
        return tuple(decision for decision in self.decisions if decision.needs_image)


def plan(versions: Iterable[Listed], policy: RetentionPolicy, now: datetime) -> Plan:
    """Decide about every version of a model.

    Args:
        versions: All versions of the model, in any order.
        policy: What is kept.
        now: The time at which ages are measured, with its time zone: the service's, so that a worker's wrong clock
            deletes nothing.

    Returns:
        A decision and a reason for each version. The newest always stays.

    Raises:
        UnplannableError: A version was created in the future, is listed twice, or some are named by number and some
            by id.
    """
    seen = list(versions)
    numbered = all(version.number is not None for version in seen)
    if not numbered and any(version.number is not None for version in seen):
        raise UnplannableError(
            "The service named some versions by number and some by id, so it cannot be told which are newer; "
            "nothing was deleted."
        )
    for version in seen:
        if version.created_at - now > FURTHEST_AHEAD:
            raise UnplannableError(
                f"{version.reference} was created at {version.created_at.isoformat()}, which is in the future: the "
                f"service's own clock says {now.isoformat()}. Ages cannot be relied on, so nothing was deleted."
            )
    if len({version.reference for version in seen}) != len(seen):
        raise UnplannableError("The service listed a version twice, so its list cannot be relied on.")
    seen.sort(key=lambda version: version.by_number if numbered else version.by_time, reverse=True)
    if numbered:
        return Plan(tuple(_decide(position, version, policy, now) for position, version in enumerate(seen)))
    # Of versions that were created at the same time, any may be the newer one: each counts as the newest of them.
    first_at: dict[datetime, int] = {}
    for position, version in enumerate(seen):
        first_at.setdefault(version.created_at, position)
    return Plan(tuple(_decide(first_at[version.created_at], version, policy, now) for version in seen))


def _decide(position: int, version: Listed, policy: RetentionPolicy, now: datetime) -> Decision:
    age = max(timedelta(0), now - version.created_at)
    kept = _reason_to_keep(position, version, age, policy)
    if kept is not None:
        return Decision(version.reference, version.created_at, delete=False, reason=kept)
    protected = policy.protection.reason_for(version)
    if protected is not None:
        return Decision(version.reference, version.created_at, delete=False, reason=protected, is_protected=True)
    if policy.protection.needs_image_of(version):
        return Decision(
            version.reference,
            version.created_at,
            delete=False,
            reason="protected: the service does not tell its image, and some are protected",
            is_protected=True,
            needs_image=True,
        )
    criteria = []
    if policy.keep_last is not None:
        criteria.append(f"number {position + 1} from the newest, {policy.keep_last} are kept")
    if policy.older_than is not None:
        criteria.append(f"{format_age(age)} old, older than {format_age(policy.older_than)}")
    return Decision(version.reference, version.created_at, delete=True, reason="; ".join(criteria))


def _reason_to_keep(position: int, version: Listed, age: timedelta, policy: RetentionPolicy) -> str | None:
    if position == 0:
        return "the newest version always stays"
    if policy.keep_last is not None and position < policy.keep_last:
        return f"one of the newest {policy.keep_last}"
    if policy.older_than is not None and age <= policy.older_than:
        return f"{format_age(age)} old, not older than {format_age(policy.older_than)}"
    if policy.only is not None and version not in policy.only:
        return "not among those that may go"
    return None
