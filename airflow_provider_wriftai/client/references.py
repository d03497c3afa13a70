"""References: models ``owner/name``, versions by id or as ``owner/name:number``, images by digest."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeGuard

from airflow_provider_wriftai.client.errors import InvalidReferenceError
from airflow_provider_wriftai.client.text import truncated_repr

_LONGEST_SEGMENT = 255
_SEGMENT = re.compile(r"[^\s/:?#%\\]+")
_NUMBER = re.compile(r"[1-9][0-9]{0,17}")
_LITERAL = re.compile(r"[\'\"()\[\]{};<>,]")
_DIGEST = re.compile(r"sha256:[a-f0-9]{64}")


@dataclass(frozen=True, slots=True)
class ModelReference:
    """A model: ``owner/name``."""

    owner: str
    name: str

    def __post_init__(self) -> None:
        _check_segment(self.owner, "owner of the model")
        _check_segment(self.name, "name of the model")

    @classmethod
    def parse(cls, text: str) -> ModelReference:
        """Parse ``owner/name``.

        Args:
            text: The model's owner and name with a slash between them.

        Returns:
            The model's reference.

        Raises:
            InvalidReferenceError: The text is not of that form.
        """
        owner, slash, name = _check_str(text, "A model reference").partition("/")
        if not slash:
            raise InvalidReferenceError(
                f"A model reference must be 'owner/name', for example 'acme/detector'; got {truncated_repr(text)}."
            )
        return cls(owner, name)

    def __str__(self) -> str:
        return f"{self.owner}/{self.name}"


@dataclass(frozen=True, slots=True)
class VersionId:
    """A version of generation 1 of the API, named by its opaque id."""

    id: str

    def __post_init__(self) -> None:
        _check_segment(self.id, "id of the version")

    def __str__(self) -> str:
        return self.id


@dataclass(frozen=True, slots=True)
class VersionNumber:
    """A version of generation 2 of the API, named by its number within the model."""

    model: ModelReference
    number: int

    def __str__(self) -> str:
        return f"{self.model}:{self.number}"


VersionReference = VersionId | VersionNumber


def parse_version(text: str) -> VersionReference:
    """Parse a version reference.

    Args:
        text: An id, or ``owner/name:number``.

    Returns:
        The reference; its class depends on the generation of the API.

    Raises:
        InvalidReferenceError: The text is neither.
    """
    text = _check_str(text, "A version reference")
    if "/" not in text and ":" not in text:
        return VersionId(text)
    model, _, digits = text.rpartition(":")
    number = parse_number(digits)
    if not model or number is None:
        raise InvalidReferenceError(
            "A version reference must be an id or 'owner/name:number', for example 'acme/detector:7'; "
            f"got {truncated_repr(text)}."
        )
    return VersionNumber(ModelReference.parse(model), number)


def is_literal(text: str) -> bool:
    """Return whether a text looks like a value that was written out as Python or JSON. No id does."""
    return _LITERAL.search(text) is not None


def parse_number(text: str) -> int | None:
    """Return the number of a version within its model; None if the text is not a number."""
    return int(text) if _NUMBER.fullmatch(text) else None


def is_digest(value: object) -> TypeGuard[str]:
    """Return whether a value is a digest as the service accepts it: ``sha256:`` and 64 lower-case hexadecimal digits.

    The grammar is that of the OCI image specification (descriptor.md, "Digests"), restricted to sha256. Everything else
    (a missing or empty value, upper case, an image reference) means that the digest is unknown, never that it differs.
    """
    return isinstance(value, str) and _DIGEST.fullmatch(value) is not None


def _check_str(value: object, what: str) -> str:
    if not isinstance(value, str):
        raise InvalidReferenceError(f"{what} must be a string; got {type(value).__name__}.")
    return value


def _check_segment(segment: object, what: str) -> None:
    # Anything that changes the path of a request, here or in a proxy, is refused before one is sent.
    if (
        not isinstance(segment, str)
        or segment in (".", "..")
        or not _SEGMENT.fullmatch(segment)
        or not segment.isprintable()
        or len(segment) > _LONGEST_SEGMENT
    ):
        raise InvalidReferenceError(
            f"The {what} must be 1 to {_LONGEST_SEGMENT} characters without spaces, control characters, or any of "
            f"/ : ? # % \\, and not '.' or '..'; got {truncated_repr(segment)}."
        )
