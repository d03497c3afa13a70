"""What a task is about to create, written down before it does, so that its next try knows what it may have made."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Protocol

from airflow_provider_wriftai.client.common_types import Version
from airflow_provider_wriftai.client.references import ModelReference
from airflow_provider_wriftai.domain.watermark import Watermark

_FORMAT = 1


class StateStore(Protocol):
    """Keeps one JSON value over all tries of a task."""

    def load(self) -> Any:
        """Give back what was saved last; None where nothing was."""

    def save(self, value: dict[str, Any]) -> None:
        """Save a value; it is kept when this returns."""


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """A create that may have been sent.

    Attributes:
        model: The model.
        digest: The digest of the image.
        release_notes: The release notes that the version has.
        watermark: What was known before the first such create of this task.
        reference: The version that came of it; None as long as that is not known.
    """

    model: str
    digest: str
    release_notes: str
    watermark: Watermark
    reference: str | None = None

    def became(self, reference: str) -> JournalEntry:
        """Say which version came of it."""
        return replace(self, reference=reference)

    def to_json(self) -> dict[str, Any]:
        """Write it as JSON."""
        return {
            "format": _FORMAT,
            "model": self.model,
            "digest": self.digest,
            "release_notes": self.release_notes,
            "watermark": self.watermark.to_json(),
            "reference": self.reference,
        }

    @classmethod
    def from_json(cls, value: Any) -> JournalEntry:
        """Read what :meth:`to_json` wrote.

        Raises:
            ValueError: It is something else.
        """
        try:
            written_as = value["format"]
            reference = value["reference"]
            entry = cls(
                model=str(ModelReference.parse(value["model"])),
                digest=str(value["digest"]),
                release_notes=str(value["release_notes"]),
                watermark=Watermark.from_json(value["watermark"]),
                reference=None if reference is None else str(reference),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ValueError(f"it is no entry: {error!r}") from error
        if written_as != _FORMAT:
            raise ValueError(f"it has the format {written_as!r}, which this version of the provider does not know")
        return entry


def has_notes(version: Version, release_notes: str) -> bool:
    """Tell whether a version has some release notes, but for white space, which the service may have tidied."""
    return str(version.get("release_notes")).split() == release_notes.split()
