"""The outcome of a publish."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from airflow_provider_wriftai.client.version import VersionRecord


class PublishOutcome(StrEnum):
    """How the version of a publish came about."""

    CREATED = "created"
    """This try created it."""
    ADOPTED = "adopted"
    """A create request without a clear response made it, in this try or an earlier one."""
    REUSED = "reused"
    """The image had a version already."""
    REMEMBERED = "remembered"
    """An earlier try of this task had ended with it."""

    @property
    def is_new(self) -> bool:
        """Whether this task made a new version."""
        return self in (PublishOutcome.CREATED, PublishOutcome.ADOPTED)


@dataclass(frozen=True, slots=True)
class PublishResult:
    """The version of an image, and how it came about."""

    version: VersionRecord
    outcome: PublishOutcome
