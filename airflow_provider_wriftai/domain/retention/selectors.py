"""Versions and images that a user names, in ``protect`` and ``only``."""

from __future__ import annotations

import re
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
    parse_number,
    parse_version,
)
from airflow_provider_wriftai.client.text import truncated_repr
from airflow_provider_wriftai.client.version import VersionRecord
from airflow_provider_wriftai.domain.results import find_reference
from airflow_provider_wriftai.domain.retention.errors import InvalidPolicyError

Named: TypeAlias = str | int | Mapping[str, Any]
"""A version or an image: a reference, a number, a digest, or a version as the provider's tasks return it."""

# What a value written out as Python or JSON has, and no id does.
_NO_ID = re.compile(r"[\'\"()\[\]{};<>,]")


@dataclass(frozen=True, slots=True)
class NamedVersions:
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

    def missing(self, versions: Collection[VersionRecord], what: str) -> list[str]:
        """Return the names of versions that do not exist.

        Args:
            versions: All versions of the model.
            what: What the names are for, for the error, such as "protected".

        Raises:
            InvalidPolicyError: They are numbers where the service has ids, or the other way round, so that it is
                unknown which versions are meant.
        """
        if not self.numbers and not self.ids:
            return []
        numbers = {version.number for version in versions if version.number is not None}
        ids = {version.reference.id.lower() for version in versions if isinstance(version.reference, VersionId)}
        by_number, by_id = bool(self.numbers and not numbers), bool(self.ids and not ids)
        if versions and (by_number or by_id):
            given, other = ("number", "id") if by_number else ("id", "number")
            example = truncated_repr(min(self.numbers if by_number else self.ids))
            raise InvalidPolicyError(
                f"Versions are {what} by {given}, such as {example}, but the service names them by {other}, so it is "
                "unknown which are meant. Nothing was deleted."
            )
        return [*(str(number) for number in sorted(self.numbers - numbers)), *sorted(self.ids - ids)]


def read_named(parameter: str, model: ModelReference, named: Iterable[Named]) -> tuple[NamedVersions, frozenset[str]]:
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
        text = _name_of(parameter, each)
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
    return NamedVersions(frozenset(numbers), frozenset(ids)), frozenset(digests)


def read_versions(parameter: str, model: ModelReference, named: Iterable[Named]) -> NamedVersions:
    """Read versions as :func:`read_named` does, and refuse images.

    Raises:
        InvalidPolicyError: One of them is invalid, is a version of another model, or is an image.
    """
    versions, digests = read_named(parameter, model, named)
    if digests:
        raise InvalidPolicyError(f"{parameter} contains the image {min(digests)}; it takes versions only.")
    return versions


def _name_of(parameter: str, each: object) -> str:
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
        if not _NO_ID.search(text):
            return parse_version(text)
        reason = "It looks like a value that was written out as text."
    except InvalidReferenceError as error:
        reason = str(error)
    raise InvalidPolicyError(
        f"{parameter} contains {truncated_repr(text)}, which names neither a version nor an image. {reason}"
    )
