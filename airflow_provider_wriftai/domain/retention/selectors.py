"""Versions and images that a user names, in ``protect`` and ``only``."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from airflow_provider_wriftai.client.errors import InvalidReferenceError
from airflow_provider_wriftai.client.references import (
    ModelReference,
    VersionId,
    VersionNumber,
    VersionReference,
    is_digest,
    is_literal,
    parse_number,
    parse_version,
)
from airflow_provider_wriftai.client.text import truncated_repr
from airflow_provider_wriftai.client.version import VersionRecord
from airflow_provider_wriftai.domain.results import find_reference
from airflow_provider_wriftai.domain.retention.errors import InvalidPolicyError

VersionSelector: TypeAlias = str | int | Mapping[str, Any]
"""A version or an image: a reference, a number, a digest, or a version as the provider's tasks return it."""


@dataclass(frozen=True, slots=True)
class SelectedVersions:
    """Versions of one model, by name.

    Attributes:
        numbers: Versions by number (generation 2).
        ids: Versions by id (generation 1), in lower case: ids that differ in case alone count as the same.
    """

    numbers: frozenset[int] = frozenset()
    ids: frozenset[str] = frozenset()

    def __contains__(self, reference: VersionReference) -> bool:
        match reference:
            case VersionNumber(number=number):
                return number in self.numbers
            case VersionId(id=version_id):
                return version_id.lower() in self.ids

    def missing(self, versions: Collection[VersionRecord], purpose: str) -> list[str]:
        """Return the names of versions that do not exist.

        Args:
            versions: All versions of the model.
            purpose: What the names are for, for the error, such as "protected".

        Raises:
            InvalidPolicyError: See :meth:`check_kind`.
        """
        self.check_kind(versions, purpose)
        numbers, ids = _names_in(versions)
        return [*(str(number) for number in sorted(self.numbers - numbers)), *sorted(self.ids - ids)]

    def check_kind(self, versions: Collection[VersionRecord], purpose: str) -> None:
        """Check that versions are named as the service names them.

        Raises:
            InvalidPolicyError: They are numbers where the service has ids, or the other way round, so that it is
                unknown which versions are meant.
        """
        numbers, ids = _names_in(versions)
        by_number, by_id = bool(self.numbers and not numbers), bool(self.ids and not ids)
        if versions and (by_number or by_id):
            given, other = ("number", "id") if by_number else ("id", "number")
            example = truncated_repr(min(self.numbers if by_number else self.ids))
            raise InvalidPolicyError(
                f"Versions are {purpose} by {given}, such as {example}, but the service names them by {other}, so the "
                "versions are ambiguous. Nothing was deleted."
            )


def _names_in(versions: Iterable[VersionRecord]) -> tuple[set[int], set[str]]:
    """Return the numbers of versions, and their ids in lower case."""
    numbers, ids = set(), set()
    for version in versions:
        match version.reference:
            case VersionNumber(number=number):
                numbers.add(number)
            case VersionId(id=version_id):
                ids.add(version_id.lower())
    return numbers, ids


def parse_selectors(
    parameter: str, model: ModelReference, named: Iterable[VersionSelector]
) -> tuple[SelectedVersions, frozenset[str]]:
    """Read versions and images.

    Args:
        parameter: The parameter that names them, for errors.
        model: The model whose versions are pruned.
        named: Versions and images: ``owner/name:number``, an id, a number, ``sha256:…``, an image reference that
            ends in a digest, or a version as the provider's tasks return it.

    Returns:
        The versions, and the digests of the images.

    Raises:
        InvalidPolicyError: One of them is invalid, or is a version of another model.
    """
    numbers, ids, digests = set(), set(), set()
    for each in named:
        text = _selector_text(parameter, each)
        digest = text.rpartition("@")[2]
        number = parse_number(text)
        if is_digest(digest):
            digests.add(digest)
            continue
        match VersionNumber(model, number) if number is not None else _parse(parameter, text):
            case VersionNumber(model=other, number=counted):
                if other != model:
                    raise InvalidPolicyError(
                        f"{parameter} names {truncated_repr(text)}, which is a version of another model than {model}."
                    )
                numbers.add(counted)
            case VersionId(id=version_id):
                ids.add(version_id.lower())
    return SelectedVersions(frozenset(numbers), frozenset(ids)), frozenset(digests)


def parse_version_selectors(
    parameter: str, model: ModelReference, named: Iterable[VersionSelector]
) -> SelectedVersions:
    """Read versions as :func:`parse_selectors` does, and refuse images.

    Raises:
        InvalidPolicyError: One of them is invalid, is a version of another model, or is an image.
    """
    versions, digests = parse_selectors(parameter, model, named)
    if digests:
        raise InvalidPolicyError(f"{parameter} contains the image {min(digests)}; it takes versions only.")
    return versions


def _selector_text(parameter: str, each: object) -> str:
    name = find_reference(each)
    if isinstance(name, int) and not isinstance(name, bool) and 0 < name < 10**18:
        return str(name)
    if isinstance(name, str) and name.strip() not in ("", "None"):
        return name.strip()
    raise InvalidPolicyError(
        f"{parameter} contains {truncated_repr(each)}; expected a version's reference or number, an image's digest, or "
        "a version as a task returned it."
    )


def _parse(parameter: str, text: str) -> VersionReference:
    try:
        if not is_literal(text):
            return parse_version(text)
        reason = "It looks like a value that was written out as text."
    except InvalidReferenceError as error:
        reason = str(error)
    raise InvalidPolicyError(
        f"{parameter} contains {truncated_repr(text)}, which names neither a version nor an image. {reason}"
    )
