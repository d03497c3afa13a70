"""What lists tell of a version, read once and without its schemas."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from airflow_provider_wriftai.client.common_types import Version
from airflow_provider_wriftai.client.references import VersionNumber, is_digest, parse_version


@dataclass(frozen=True, slots=True)
class VersionSummary:
    """A version, as far as what it says of itself can be relied on.

    Attributes:
        reference: How it is named.
        number: Its number; None in generation 1.
        created_at: When it was created; None where that is no ISO 8601 time with a time zone.
        release_notes: Its release notes; None where the service does not tell them.
        digest: The digest of its image; None where the service does not tell it, or not as a plain digest.
    """

    reference: str
    number: int | None
    created_at: datetime | None
    release_notes: str | None
    digest: str | None

    @classmethod
    def of(cls, version: Version) -> VersionSummary:
        """Sum a version up."""
        # Not the number as it was sent: only what names the version in calls has been checked.
        reference = parse_version(version["reference"])
        notes, digest = version.get("release_notes"), version.get("container_image_digest")
        return cls(
            reference=version["reference"],
            number=reference.number if isinstance(reference, VersionNumber) else None,
            created_at=_read_time(version.get("created_at")),
            release_notes=notes if isinstance(notes, str) else None,
            digest=digest if is_digest(digest) else None,
        )


def _read_time(text: object) -> datetime | None:
    try:
        time = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return time if time is not None and time.tzinfo else None
