"""Versions and images that a user names: to be protected, or to be the only ones that may go."""

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
    truncated_repr,
)
from airflow_provider_wriftai.domain.retention.errors import InvalidPolicyError, UnplannableError
from airflow_provider_wriftai.domain.retention.listed import Listed

Named = str | int | Mapping[str, Any]
"""A version or an image: a reference, a number, a digest, or a version as the provider's tasks return it."""

# What a value written out as Python or JSON has, and no id does.
_NO_ID = re.compile(r"[\'\"()\[\]{};<>,]")


@dataclass(frozen=True, slots=True)
class NamedVersions:
    """Versions of one model, by name.

    Attributes:
        numbers: Versions by number (generation 2).
        ids: Versions by id (generation 1), in lower case: what differs in case alone is taken for the same.
    """

    numbers: frozenset[int] = frozenset()
    ids: frozenset[str] = frozenset()

    def __contains__(self, version: Listed) -> bool:
        return version.number in self.numbers or (version.number is None and version.reference.lower() in self.ids)

    def missing(self, listed: Iterable[Listed], what: str) -> list[str]:
        """Hold them against the versions that there are.

        Args:
            listed: All versions of the model.
            what: What was done with the names, for the error, such as "protected".

        Returns:
            Those that are not there.

        Raises:
            UnplannableError: They are named by number where the service names them by id, or the other way round: then
                it cannot be told which are meant.
        """
        versions = list(listed)
        numbers = {version.number for version in versions if version.number is not None}
        ids = {version.reference.lower() for version in versions if version.number is None}
        if versions and ((self.numbers and not numbers) or (self.ids and not ids)):
            way, other = ("number", "id") if self.numbers and not numbers else ("id", "number")
            raise UnplannableError(
                f"Versions are {what} by {way}, but the service names them by {other}, so it cannot be told which "
                "are meant; nothing was deleted."
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
        The versions, and the images' digests.

    Raises:
        InvalidPolicyError: One of them cannot be meant, or is a version of another model.
    """
    numbers, ids, digests = set(), set(), set()
    for each in named:
        text = _name_of(parameter, each)
        digest = text.rpartition("@")[2]
        number = parse_number(text)
        if is_digest(digest):
            digests.add(digest)
        elif number is not None:
            numbers.add(number)
        else:
            match _parsed(parameter, text):
                case VersionNumber(model=other, number=counted):
                    if other != model:
                        raise InvalidPolicyError(
                            f"{parameter} names {truncated_repr(text)}, a version of another model than {model}."
                        )
                    numbers.add(counted)
                case version_id:
                    ids.add(str(version_id).lower())
    return NamedVersions(frozenset(numbers), frozenset(ids)), frozenset(digests)


def read_versions(parameter: str, model: ModelReference, named: Iterable[Named]) -> NamedVersions:
    """Read versions as ``read_named`` does, where an image would not do.

    Raises:
        InvalidPolicyError: One of them cannot be meant, names another model, or is an image.
    """
    versions, digests = read_named(parameter, model, named)
    if digests:
        raise InvalidPolicyError(f"{parameter} holds the image {min(digests)}; it takes versions.")
    return versions


def _name_of(parameter: str, each: object) -> str:
    given = each.get("reference") if isinstance(each, Mapping) else each
    if isinstance(given, int) and not isinstance(given, bool) and 0 < given < 10**18:
        return str(given)
    if isinstance(given, str) and given.strip() not in ("", "None"):
        return given.strip()
    # Not str(): Python refuses to write out a number of thousands of digits.
    told = type(given).__name__ if isinstance(given, int) and not isinstance(given, bool) else truncated_repr(each)
    raise InvalidPolicyError(
        f"{parameter} holds {told}; expected a version's reference or number, an image's digest, or a version "
        "as a task returned it."
    )


def _parsed(parameter: str, text: str) -> Any:
    try:
        if not _NO_ID.search(text):
            return parse_version(text)
        reason = "it looks like a value that was written out as text"
    except InvalidReferenceError as error:
        reason = str(error)
    raise InvalidPolicyError(f"{parameter} holds {truncated_repr(text)}, which names no version and no image: {reason}")
