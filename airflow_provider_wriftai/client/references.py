"""How things are named: models ``owner/name``, versions an id or ``owner/name:number``, images by digest."""

from __future__ import annotations

import re
from dataclasses import dataclass

from airflow_provider_wriftai.client.errors import InvalidReferenceError

_LONGEST_SEGMENT = 255
_LONGEST_TOLD = 60
_SEGMENT = re.compile(r"[^\s/:?#%\\]+")
_NUMBER = re.compile(r"[1-9][0-9]{0,17}")
_DIGEST = re.compile(r"sha256:[a-f0-9]{64}")


@dataclass(frozen=True, slots=True)
class ModelReference:
    """A model: ``owner/name``."""

    owner: str
    name: str

    def __post_init__(self) -> None:
        _check_segment(self.owner, "owner of a model")
        _check_segment(self.name, "name of a model")

    @classmethod
    def parse(cls, text: str) -> ModelReference:
        """Read ``owner/name``.

        Args:
            text: The model's owner and name with a slash between them.

        Returns:
            The model's reference.

        Raises:
            InvalidReferenceError: The text is not of that form.
        """
        owner, slash, name = _text(text, "A model").partition("/")
        if not slash:
            raise InvalidReferenceError(
                f"A model is named 'owner/name', for example 'acme/detector'; got {truncated_repr(text)}."
            )
        return cls(owner, name)

    def __str__(self) -> str:
        return f"{self.owner}/{self.name}"


@dataclass(frozen=True, slots=True)
class VersionId:
    """A version of generation 1 of the API, named by its opaque id."""

    id: str

    def __post_init__(self) -> None:
        _check_segment(self.id, "id of a version")

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
    """Read the name of a version.

    Args:
        text: An id, or ``owner/name:number``.

    Returns:
        The reference; its class tells which generation of the API it belongs to.

    Raises:
        InvalidReferenceError: The text is neither.
    """
    text = _text(text, "A version")
    if "/" not in text and ":" not in text:
        return VersionId(text)
    model, _, digits = text.rpartition(":")
    number = parse_number(digits)
    if not model or number is None:
        raise InvalidReferenceError(
            "A version is named by its id or as 'owner/name:number', for example 'acme/detector:7'; "
            f"got {truncated_repr(text)}."
        )
    return VersionNumber(ModelReference.parse(model), number)


def parse_number(text: str) -> int | None:
    """Read the number of a version within its model; None where the text is none."""
    return int(text) if _NUMBER.fullmatch(text) else None


def is_digest(value: object) -> bool:
    """Tell whether a value is a digest as the service takes it: ``sha256:`` and 64 lower-case hexadecimal digits.

    The grammar is that of the OCI image specification (descriptor.md, "Digests"), restricted to sha256.
    """
    return isinstance(value, str) and _DIGEST.fullmatch(value) is not None


def truncated_repr(value: object) -> str:
    """Write a value down, not longer than a message bears."""
    if isinstance(value, str):
        return repr(value if len(value) <= _LONGEST_TOLD else f"{value[:_LONGEST_TOLD]}…")
    try:
        written = repr(value)
    except ValueError:  # Python refuses to write out a number of thousands of digits
        return f"a long {type(value).__name__}"
    return written if len(written) <= _LONGEST_TOLD else f"{written[:_LONGEST_TOLD]}…"


def _text(value: object, what: str) -> str:
    if not isinstance(value, str):
        raise InvalidReferenceError(f"{what} is named by a string; got {type(value).__name__}.")
    return value


def _check_segment(segment: object, what: str) -> None:
    # Whatever would change the path of a request, or does so in some proxy, is refused before one is made.
    if (
        not isinstance(segment, str)
        or segment in (".", "..")
        or not _SEGMENT.fullmatch(segment)
        or not segment.isprintable()
        or len(segment) > _LONGEST_SEGMENT
    ):
        raise InvalidReferenceError(
            f"The {what} must be a non-empty text of at most {_LONGEST_SEGMENT} characters, without spaces, control "
            f"characters or any of / : ? # % \\, and neither '.' nor '..'; got {truncated_repr(segment)}."
        )
