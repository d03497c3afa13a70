"""What a task is about to create, stored before the create request, so that its next try knows what to search for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from airflow_provider_wriftai.client.references import ModelReference, VersionReference, parse_version
from airflow_provider_wriftai.client.text import truncated_repr
from airflow_provider_wriftai.domain.watermark import Watermark

_FORMAT = 1


class StateStore(Protocol):
    """Keeps one JSON value over all tries of a task."""

    def load(self) -> Any:
        """Return what was saved last; None if nothing was."""

    def save(self, value: dict[str, Any]) -> None:
        """Save a value durably.

        Raises:
            Exception: It was not saved; for example, because another try has replaced this one.
        """


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """A create request that may have been sent.

    Attributes:
        service: The base URL of the service.
        model: The model.
        digest: The digest of the image.
        release_notes: The release notes of the version.
        watermark: The newest versions before the first such request of this task.
        reference: The version that the task ended with; None while that is unknown.
    """

    service: str
    model: ModelReference
    digest: str
    release_notes: str
    watermark: Watermark
    reference: VersionReference | None = None

    def resolve(self, reference: VersionReference) -> JournalEntry:
        """Return the entry with the version that came of the request."""
        return replace(self, reference=reference)

    def to_json(self) -> dict[str, Any]:
        """Return the entry as JSON."""
        return {
            "format": _FORMAT,
            "service": self.service,
            "model": str(self.model),
            "digest": self.digest,
            "release_notes": self.release_notes,
            "watermark": self.watermark.to_json(),
            "reference": None if self.reference is None else str(self.reference),
        }

    @classmethod
    def from_json(cls, value: object) -> JournalEntry:
        """Parse what :meth:`to_json` returned.

        Raises:
            ValueError: It is something else.
        """
        if not isinstance(value, Mapping):
            raise ValueError(f"it is of type {type(value).__name__} instead of an object")  # noqa: TRY004 - all is one kind of damage
        if value.get("format") != _FORMAT:
            raise ValueError(f"this release does not know its format {truncated_repr(value.get('format'))}")
        try:
            reference = value["reference"]
            return cls(
                service=str(value["service"]),
                model=ModelReference.parse(value["model"]),
                digest=str(value["digest"]),
                release_notes=str(value["release_notes"]),
                watermark=Watermark.from_json(value["watermark"]),
                reference=None if reference is None else parse_version(reference),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"it is incomplete or damaged ({type(error).__name__}: {error})") from error
