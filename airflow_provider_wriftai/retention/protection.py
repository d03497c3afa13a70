"""What is never deleted: versions that are named, whose image is named, or whose release notes match a pattern."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_wriftai.client.errors import InvalidReferenceError
from airflow_provider_wriftai.client.references import (
    ModelReference,
    VersionNumber,
    is_digest,
    parse_number,
    parse_version,
)
from airflow_provider_wriftai.retention.errors import InvalidPolicyError, UnplannableError
from airflow_provider_wriftai.retention.listed import Listed

Protected = str | int | Mapping[str, Any]
"""One version or image to protect: a reference, a number, a digest, or a version as the provider's tasks return it."""


@dataclass(frozen=True, slots=True)
class Protection:
    """What is protected.

    Attributes:
        numbers: Versions by number.
        ids: Versions by id.
        digests: Images by digest: every version of one is protected.
        release_notes: A pattern; every version is protected in whose release notes it is found.
    """

    numbers: frozenset[int] = frozenset()
    ids: frozenset[str] = frozenset()
    digests: frozenset[str] = frozenset()
    release_notes: re.Pattern[str] | None = None

    @classmethod
    def read(cls, model: ModelReference, named: Iterable[Protected], release_notes: str | None = None) -> Protection:
        """Read what is to be protected.

        Args:
            model: The model whose versions are pruned.
            named: Versions and images: ``owner/name:number``, an id, a number, ``sha256:…``, an image reference that
                ends in a digest, or a version as the provider's tasks return it.
            release_notes: A regular expression (Python's ``re``), searched for in the release notes.

        Raises:
            InvalidPolicyError: One of them cannot be meant, or names another model; the pattern is none.
        """
        numbers, ids, digests = set(), set(), set()
        for each in named:
            text = _name_of(each)
            digest = text.rpartition("@")[2]
            number = parse_number(text)
            if is_digest(digest):
                digests.add(digest)
            elif number is not None:
                numbers.add(number)
            else:
                match _parsed(text):
                    case VersionNumber(model=other, number=counted):
                        if other != model:
                            raise InvalidPolicyError(
                                f"protect names {text[:200]!r}, which is a version of another model than {model}."
                            )
                        numbers.add(counted)
                    case version_id:
                        ids.add(str(version_id))
        return cls(frozenset(numbers), frozenset(ids), frozenset(digests), _compiled(release_notes))

    def check(self, listed: Iterable[Listed]) -> list[str]:
        """Hold it against the versions that there are.

        Returns:
            What is protected by name and not there.

        Raises:
            UnplannableError: Versions are protected by number where the service names them by id, or the other way
                round: then it cannot be told which are meant.
        """
        versions = list(listed)
        numbered = {version.number for version in versions if version.number is not None}
        named = {version.reference for version in versions if version.number is None}
        if versions and ((self.numbers and not numbered) or (self.ids and not named)):
            way, other = ("number", "id") if self.numbers and not numbered else ("id", "number")
            raise UnplannableError(
                f"Versions are protected by {way}, but the service names them by {other}, so it cannot be told which "
                "are meant; nothing was deleted."
            )
        missing = [*(str(number) for number in sorted(self.numbers - numbered)), *sorted(self.ids - named)]
        return [*missing, *sorted(self.digests - {version.digest for version in versions})] if versions else missing

    def reason_for(self, version: Listed) -> str | None:
        """Tell why a version is protected; None where it is not, as far as is known."""
        if version.number in self.numbers or (version.number is None and version.reference in self.ids):
            return "protected by name"
        if version.digest is not None and version.digest in self.digests:
            return f"protected: its image is {version.digest}"
        if self.release_notes is not None:
            if version.release_notes is None:
                return "protected: the service does not tell its release notes, and some are protected"
            if self.release_notes.search(version.release_notes):
                return f"protected: its release notes match {self.release_notes.pattern!r}"
        return None

    def needs_image_of(self, version: Listed) -> bool:
        """Tell whether it depends on the version's image, which is not known, whether it is protected."""
        return bool(self.digests) and version.digest is None


def _name_of(each: object) -> str:
    if isinstance(each, Mapping):
        each = each.get("reference")
    if isinstance(each, int) and not isinstance(each, bool) and each > 0:
        return str(each)
    if isinstance(each, str) and each.strip() not in ("", "None"):
        return each.strip()
    raise InvalidPolicyError(
        f"protect holds {str(each)[:60]!r}; expected a version's reference or number, an image's digest, or a version "
        "as a task returned it."
    )


def _parsed(text: str) -> Any:
    try:
        return parse_version(text)
    except InvalidReferenceError as error:
        raise InvalidPolicyError(
            f"protect holds {text[:200]!r}, which names no version and no image: {error}"
        ) from error


def _compiled(pattern: str | None) -> re.Pattern[str] | None:
    if pattern is None:
        return None
    try:
        return re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise InvalidPolicyError(
            f"protect_release_notes is no regular expression: {error}; got {pattern[:200]!r}."
        ) from error
