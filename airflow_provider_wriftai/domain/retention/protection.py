"""What is never deleted: versions that are named, whose image is named, or whose release notes match a pattern."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from airflow_provider_wriftai.client.references import ModelReference
from airflow_provider_wriftai.client.text import truncated_repr
from airflow_provider_wriftai.domain.patterns import compiled
from airflow_provider_wriftai.domain.retention.errors import InvalidPolicyError
from airflow_provider_wriftai.domain.retention.listed import Listed
from airflow_provider_wriftai.domain.retention.selectors import Named, NamedVersions, read_named


@dataclass(frozen=True, slots=True)
class Protection:
    """What is protected.

    Attributes:
        versions: Versions by name.
        digests: Images by digest: every version of one is protected.
        release_notes: A pattern; every version is protected in whose release notes it is found.
    """

    versions: NamedVersions = field(default_factory=NamedVersions)
    digests: frozenset[str] = frozenset()
    release_notes: re.Pattern[str] | None = None

    @classmethod
    def read(cls, model: ModelReference, named: Iterable[Named], release_notes: str | None = None) -> Protection:
        """Read what is to be protected.

        Args:
            model: The model whose versions are pruned.
            named: Versions and images: see ``read_named``.
            release_notes: A regular expression (Python's ``re``), searched for in the release notes.

        Raises:
            InvalidPolicyError: One of them cannot be meant, or names another model; the pattern is none.
        """
        versions, digests = read_named("protect", model, named)
        notes = None
        if release_notes is not None:
            notes = compiled("protect_release_notes", release_notes, InvalidPolicyError)
        return cls(versions, digests, notes)

    def missing(self, listed: Iterable[Listed]) -> list[str]:
        """Tell what is protected by name and not there; an image only where the images of all versions are known.

        Raises:
            UnplannableError: Versions are named as the service does not name them.
        """
        versions = list(listed)
        digests = {version.digest for version in versions}
        images = sorted(self.digests - digests) if None not in digests else []
        return [*self.versions.missing(versions, "protected"), *images]

    def reason_for(self, version: Listed) -> str | None:
        """Tell why a version is protected; None where it is not, as far as is known."""
        if version in self.versions:
            return "protected by name"
        if version.digest is not None and version.digest in self.digests:
            return f"protected: its image is {version.digest}"
        if self.release_notes is not None:
            if version.release_notes is None:
                return "protected: the service does not tell its release notes, and some are protected"
            if self.release_notes.search(version.release_notes):
                return f"protected: its release notes match {truncated_repr(self.release_notes.pattern)}"
        return None

    def needs_image_of(self, version: Listed) -> bool:
        """Tell whether it depends on the version's image, which is not known, whether it is protected."""
        return bool(self.digests) and version.digest is None
