"""Protected versions, by name, by image, and by release notes. They are never deleted."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from airflow_provider_wriftai.client.references import ModelReference, VersionReference
from airflow_provider_wriftai.client.text import truncated_repr
from airflow_provider_wriftai.client.version import VersionRecord
from airflow_provider_wriftai.domain.patterns import Pattern
from airflow_provider_wriftai.domain.retention.selectors import SelectedVersions, VersionSelector, parse_selectors
from airflow_provider_wriftai.domain.search import Match

NOTES_PARAMETER = "protect_release_notes"


@dataclass(frozen=True, slots=True)
class Protection:
    """The protected versions and images.

    Attributes:
        versions: Versions by name.
        digests: Images by digest: every version of one is protected.
        release_notes: A pattern: every version is protected whose release notes it is found in.
        found_in: Whether the pattern is found in the release notes of versions for which that is known already.
    """

    versions: SelectedVersions = field(default_factory=SelectedVersions)
    digests: frozenset[str] = frozenset()
    release_notes: Pattern | None = None
    found_in: Mapping[VersionReference, bool] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def read(
        cls, model: ModelReference, named: Iterable[VersionSelector], release_notes: str | None = None
    ) -> Protection:
        """Read what is protected.

        Args:
            model: The model whose versions are pruned.
            named: Versions and images: see ``parse_selectors``.
            release_notes: A regular expression to search for in the release notes.

        Raises:
            InvalidPolicyError: A name is invalid, or is a version of another model.
            InvalidPatternError: The pattern does not compile.
        """
        versions, digests = parse_selectors("protect", model, named)
        return cls(versions, digests, None if release_notes is None else Pattern(NOTES_PARAMETER, release_notes))

    async def search_notes(self, versions: Iterable[VersionRecord]) -> Protection:
        """Search the release notes of all versions, and return the same protection with the results.

        A plan needs them more than once, and makes no pauses. A slow search of thousands of versions makes one after
        each of them, so that the task can be stopped.

        Raises:
            PatternTimeoutError: The search of one version took too long.
        """
        if self.release_notes is None:
            return self
        found_in: dict[VersionReference, bool] = {}
        for version in versions:
            if version.release_notes is not None:
                found_in[version.reference] = self.release_notes.search(version.release_notes)
                await asyncio.sleep(0)
        return replace(self, found_in=found_in)

    def _is_in_notes(self, pattern: Pattern, version: VersionRecord) -> bool:
        known = self.found_in.get(version.reference)
        return pattern.search(version.release_notes or "") if known is None else known

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
            if self._is_in_notes(self.release_notes, version):
                return Match.YES, f"protected: its release notes match {truncated_repr(self.release_notes.text)}"
        if self.digests and version.digest is None:
            return Match.UNKNOWN, "protected: the service does not return its image, and some images are protected"
        return Match.NO, "not protected"

    def check_names(self, versions: Collection[VersionRecord]) -> None:
        """Check that versions are named as the service names them.

        Raises:
            InvalidPolicyError: They are not.
        """
        self.versions.check_kind(versions, "protected")

    def unmatched(self, versions: Collection[VersionRecord]) -> list[str]:
        """Return each protection that matches no version, for messages.

        An image is listed only if the images of all versions are known: see :meth:`unmatched_digests`.

        Raises:
            InvalidPolicyError: Versions are named in another way than the service names them.
            PatternTimeoutError: The search for the pattern took too long.
        """
        unmatched = [f"version {name}" for name in self.versions.missing(versions, "protected")]
        if all(version.digest is not None for version in versions):
            unmatched += [f"image {digest}" for digest in self.unmatched_digests(versions)]
        notes = self.release_notes
        if notes is not None and not any(
            version.release_notes is None or self._is_in_notes(notes, version) for version in versions
        ):
            unmatched.append(f"{NOTES_PARAMETER} {truncated_repr(notes.text)}")
        return unmatched

    def unmatched_digests(self, versions: Iterable[VersionRecord]) -> list[str]:
        """Return the protected digests that no version is known to have."""
        return sorted(self.digests.difference(version.digest for version in versions if version.digest is not None))
