"""What is never deleted: versions that are named, whose image is named, or whose release notes match a pattern."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from airflow_provider_wriftai.client.references import ModelReference
from airflow_provider_wriftai.client.text import truncated_repr
from airflow_provider_wriftai.client.version import VersionRecord
from airflow_provider_wriftai.domain.patterns import Pattern
from airflow_provider_wriftai.domain.retention.selectors import Named, NamedVersions, read_named
from airflow_provider_wriftai.domain.search import Match

NOTES_PARAMETER = "protect_release_notes"


@dataclass(frozen=True, slots=True)
class Protection:
    """What is protected.

    Attributes:
        versions: Versions by name.
        digests: Images by digest: every version of one is protected.
        release_notes: A pattern: every version is protected whose release notes it is found in.
    """

    versions: NamedVersions = field(default_factory=NamedVersions)
    digests: frozenset[str] = frozenset()
    release_notes: Pattern | None = None

    @classmethod
    def read(cls, model: ModelReference, named: Iterable[Named], release_notes: str | None = None) -> Protection:
        """Read what is protected.

        Args:
            model: The model whose versions are pruned.
            named: Versions and images: see ``read_named``.
            release_notes: A regular expression to search for in the release notes.

        Raises:
            InvalidPolicyError: A name is invalid, or is a version of another model.
            InvalidPatternError: The pattern does not compile.
        """
        versions, digests = read_named("protect", model, named)
        return cls(versions, digests, None if release_notes is None else Pattern(NOTES_PARAMETER, release_notes))

    def match(self, version: VersionRecord) -> tuple[Match, str]:
        """Return whether a version is protected, and why.

        ``UNKNOWN`` means that it depends on the version's image, which is not known.

        Raises:
            PatternTimeoutError: The search for the pattern took too long.
        """
        if version.reference in self.versions:
            return Match.YES, "protected by name"
        if version.digest is not None and version.digest in self.digests:
            return Match.YES, f"protected: its image is {version.digest}"
        if self.release_notes is not None:
            if version.release_notes is None:
                return Match.YES, "protected: the service does not return its release notes, and some are protected"
            if self.release_notes.search(version.release_notes):
                return Match.YES, f"protected: its release notes match {truncated_repr(self.release_notes.text)}"
        if self.digests and version.digest is None:
            return Match.UNKNOWN, "protected: the service does not return its image, and some images are protected"
        return Match.NO, "not protected"

    def check_names(self, versions: Collection[VersionRecord]) -> None:
        """Check that versions are named as the service names them.

        Raises:
            UnplannableError: They are not.
        """
        self.versions.missing(versions, "protected")

    def unmatched(self, versions: Collection[VersionRecord]) -> list[str]:
        """Return each protection that matches no version, for messages.

        An image is listed only if the images of all versions are known: see :meth:`unmatched_digests`.

        Raises:
            UnplannableError: Versions are named as the service does not name them.
            PatternTimeoutError: The search for the pattern took too long.
        """
        unmatched = [f"version {name}" for name in self.versions.missing(versions, "protected")]
        if all(version.digest is not None for version in versions):
            unmatched += [f"image {digest}" for digest in self.unmatched_digests(versions)]
        notes = self.release_notes
        if notes is not None and not any(
            version.release_notes is None or notes.search(version.release_notes) for version in versions
        ):
            unmatched.append(f"{NOTES_PARAMETER} {truncated_repr(notes.text)}")
        return unmatched

    def unmatched_digests(self, versions: Iterable[VersionRecord]) -> list[str]:
        """Return the protected digests that no version is known to have."""
        return sorted(self.digests.difference(version.digest for version in versions if version.digest is not None))
