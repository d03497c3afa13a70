"""What a plan needs of a version that the service listed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from airflow_provider_wriftai.client.common_types import Version
from airflow_provider_wriftai.client.summary import VersionSummary
from airflow_provider_wriftai.domain.retention.errors import UnplannableError

EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
"""What was created before this was not: the service did not exist, and a time that was never set reads so."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A version of a model, without its schemas and whatever else a listing may carry.

    Attributes:
        reference: How it is named.
        number: Its number; None in generation 1.
        created_at: When it was created.
        release_notes: Its release notes; None where the service does not tell them.
        digest: The digest of its image; None where the service does not tell it.
    """

    reference: str
    number: int | None
    created_at: datetime
    release_notes: str | None
    digest: str | None

    @classmethod
    def of(cls, version: Version) -> Listed:
        """Take what is needed of a version.

        Raises:
            UnplannableError: Its time of creation cannot be read, lacks its time zone, or was never set.
        """
        summary, told = VersionSummary.of(version), str(version.get("created_at"))[:60]
        if summary.created_at is None:
            raise UnplannableError(
                f"{summary.reference} has created_at {told!r}, which is no ISO 8601 time with a time zone; "
                "without it nothing can be decided, so nothing was deleted."
            )
        if summary.created_at < EARLIEST:
            raise UnplannableError(
                f"{summary.reference} has created_at {told!r}, which cannot be; without it nothing can be decided, so "
                "nothing was deleted."
            )
        return cls(summary.reference, summary.number, summary.created_at, summary.release_notes, summary.digest)

    @property
    def by_number(self) -> tuple[int, str]:
        """The order of generation 2."""
        return (self.number or 0, self.reference)

    @property
    def by_time(self) -> tuple[datetime, str]:
        """The order of generation 1."""
        return (self.created_at, self.reference)
