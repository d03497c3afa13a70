"""A version as one typed value, built once by the reader of the response."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, cast

from airflow_provider_wriftai.client.common_types import Version
from airflow_provider_wriftai.client.references import VersionNumber, VersionReference, is_digest


@dataclass(frozen=True, slots=True)
class VersionRecord:
    """The known properties of a version. Versions never change, so two records differ only in how much is known.

    Attributes:
        reference: How requests name the version.
        created_at: When it was created; None if the service did not say, or not as ISO 8601 with a time zone.
        release_notes: Its release notes; None if unknown.
        digest: The digest of its image; None if unknown, which includes everything that is not a digest.
        body: The JSON that the service sent. Empty where only the fields above are kept.
    """

    reference: VersionReference
    created_at: datetime | None = None
    release_notes: str | None = None
    digest: str | None = None
    body: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def parse(cls, reference: VersionReference, body: Mapping[str, Any]) -> VersionRecord:
        """Build the record of a version.

        Args:
            reference: How requests name the version.
            body: The JSON that the service sent.
        """
        notes, digest = body.get("release_notes"), body.get("container_image_digest")
        return cls(
            reference=reference,
            created_at=_parse_time(body.get("created_at")),
            release_notes=notes if isinstance(notes, str) else None,
            digest=digest if is_digest(digest) else None,
            body=body,
        )

    @property
    def number(self) -> int | None:
        """The number within the model; None in generation 1."""
        return self.reference.number if isinstance(self.reference, VersionNumber) else None

    @property
    def has_schemas(self) -> bool:
        """Whether the schemas are known."""
        return "schemas" in self.body

    def merge(self, details: VersionRecord) -> VersionRecord:
        """Return this record, completed with details. Where both know a value, that of this record wins."""
        return VersionRecord(
            reference=self.reference,
            created_at=self.created_at or details.created_at,
            release_notes=self.release_notes if self.release_notes is not None else details.release_notes,
            digest=self.digest or details.digest,
            body={**self.body, **details.body},
        )

    def without_body(self) -> VersionRecord:
        """Return the record without the JSON, for keeping many of them."""
        return replace(self, body={})

    def to_typed_dict(self) -> Version:
        """Return the JSON that the service sent, plus ``reference``."""
        return cast("Version", {**self.body, "reference": str(self.reference)})


def _parse_time(text: object) -> datetime | None:
    try:
        time = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return time if time is not None and time.tzinfo else None
