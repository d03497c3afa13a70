"""What is waited for: a given version, or what a version of a model has to be."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from typing import Any

from airflow_provider_wriftai.client.errors import InvalidReferenceError
from airflow_provider_wriftai.client.references import (
    ModelReference,
    VersionId,
    VersionNumber,
    VersionReference,
    is_digest,
    parse_number,
    parse_version,
    truncated_repr,
)
from airflow_provider_wriftai.client.summary import VersionSummary
from airflow_provider_wriftai.domain.patterns import compiled
from airflow_provider_wriftai.domain.waiting.errors import InvalidCriteriaError
from airflow_provider_wriftai.domain.watermark import Watermark


class Start(Enum):
    """The moment at which a wait begins."""

    START = "start"


START = Start.START

NewerThan = Watermark | VersionId | Start
"""What a version has to be newer than: a number or a time, a version by id, or what is there when the wait begins."""

NEWER_THAN_FORMS = (
    "'start', a version's reference or number, a version as a task returned it, or a time with its time zone"
)


@dataclass(frozen=True, slots=True)
class Criteria:
    """What is waited for. Everything that is given has to hold.

    Attributes:
        version: A given version; then nothing else is given.
        model: The model whose version it is; None where the version is given by an id.
        digest: The digest of its image.
        newer_than: What it has to be newer than.
        release_notes: A pattern that is found in its release notes.
    """

    version: VersionReference | None = None
    model: ModelReference | None = None
    digest: str | None = None
    newer_than: NewerThan | None = None
    release_notes: re.Pattern[str] | None = None

    def __post_init__(self) -> None:
        criteria = (self.digest, self.newer_than, self.release_notes)
        if isinstance(self.version, VersionNumber):
            if self.model not in (None, self.version.model):
                raise InvalidCriteriaError(f"{self.version} is no version of {self.model}.")
            object.__setattr__(self, "model", self.version.model)
        if self.version is not None:
            if any(each is not None for each in criteria):
                raise InvalidCriteriaError(
                    "A given version has no further criteria; give a model and criteria instead."
                )
        elif self.model is None:
            raise InvalidCriteriaError("Give a version to wait for, or a model and what its version has to be.")
        elif all(each is None for each in criteria):
            raise InvalidCriteriaError(
                f"What has to be true of a version of {self.model}? Give an image, newer_than (for example 'start') or "
                "release_notes."
            )
        if self.digest is not None and not is_digest(self.digest):
            raise InvalidCriteriaError(f"{truncated_repr(self.digest)} is no digest of an image.")

    def with_newer_than(self, watermark: Watermark) -> Criteria:
        """The same, where it is known what a version has to be newer than."""
        return replace(self, newer_than=watermark)

    def matches(self, version: VersionSummary) -> bool | None:
        """Tell whether a version is what is waited for; None where that depends on what its list left out."""
        if isinstance(self.newer_than, Watermark) and self.newer_than.is_below(version) is not True:
            return False
        notes, digest = version.release_notes, version.digest
        if self.release_notes is not None and notes is not None and not self.release_notes.search(notes):
            return False
        if self.digest is not None and digest is not None and digest != self.digest:
            return False
        notes_unknown = self.release_notes is not None and notes is None
        return None if notes_unknown or (self.digest is not None and digest is None) else True

    def __str__(self) -> str:
        if self.version is not None:
            return str(self.version)
        parts = [f"a version of {self.model}"]
        if self.digest is not None:
            parts.append(f"with the image {self.digest}")
        match self.newer_than:
            case Watermark(number=int(number)):
                parts.append(f"newer than number {number}")
            case Watermark(oldest=datetime() as time, known=known):
                names = f", {', '.join(sorted(known))}" if len(known) == 1 else ""
                parts.append(f"newer than {time.isoformat()}{names}")
            case VersionId(id=version_id):
                parts.append(f"newer than {version_id}")
            case Watermark() | Start():
                parts.append("newer than the start of the wait")
        if self.release_notes is not None:
            parts.append(f"whose release notes match {truncated_repr(self.release_notes.pattern)}")
        return " ".join(parts)

    def to_json(self) -> dict[str, Any]:
        """Write it as JSON, without what is not given."""
        newer_than: Any = None
        match self.newer_than:
            case Watermark() as watermark:
                newer_than = watermark.to_json()
            case VersionId(id=version_id):
                newer_than = version_id
            case Start():
                newer_than = START.value
        written = {
            "version": str(self.version) if self.version is not None else None,
            "model": str(self.model) if self.version is None else None,
            "digest": self.digest,
            "newer_than": newer_than,
            "release_notes": self.release_notes.pattern if self.release_notes is not None else None,
        }
        return {name: value for name, value in written.items() if value is not None}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Criteria:
        """Read what :meth:`to_json` wrote.

        Raises:
            InvalidCriteriaError: It is something else.
        """
        try:
            newer_than = value.get("newer_than")
            if isinstance(newer_than, Mapping):
                newer_than = Watermark.from_json(newer_than)
            elif newer_than is not None:
                newer_than = START if newer_than == START.value else VersionId(newer_than)
            return cls(
                version=parse_version(value["version"]) if "version" in value else None,
                model=ModelReference.parse(value["model"]) if "model" in value else None,
                digest=value.get("digest"),
                newer_than=newer_than,
                release_notes=read_pattern(value["release_notes"]) if "release_notes" in value else None,
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise InvalidCriteriaError(f"What is waited for cannot be read: {error!r}") from error


def read_newer_than(model: ModelReference | None, value: object) -> NewerThan:
    """Read what a version has to be newer than.

    Args:
        model: The model; None where it is not known.
        value: ``start``; a number; ``owner/name:number``; an id; a version as the provider's tasks return it; a
            time, as a datetime or ISO 8601 text, with its time zone.

    Raises:
        InvalidCriteriaError: It is none of these.
    """
    if isinstance(value, Mapping):
        value = value.get("reference")
    text = value.strip() if isinstance(value, str) else value
    if text == START.value:
        return START
    if isinstance(text, str):
        text = 0 if text == "0" else parse_number(text) or _time_in(text) or text
    match text:
        case bool():
            pass
        case int() if 0 <= text < 10**18:
            return Watermark(number=text)
        case datetime():
            if text.tzinfo is None:
                raise InvalidCriteriaError(f"newer_than is the time {text.isoformat()}, which has no time zone.")
            return Watermark(oldest=text)
        case str() if text not in ("", "None"):
            return _named_version(model, text)
    raise InvalidCriteriaError(f"newer_than must be {NEWER_THAN_FORMS}; got {truncated_repr(value)}.")


def read_pattern(pattern: str) -> re.Pattern[str]:
    """Read a pattern for release notes.

    Raises:
        InvalidCriteriaError: It does not compile.
    """
    return compiled("release_notes", pattern, InvalidCriteriaError)


def _time_in(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _named_version(model: ModelReference | None, text: str) -> NewerThan:
    try:
        reference = parse_version(text)
    except InvalidReferenceError as error:
        raise InvalidCriteriaError(f"newer_than must be {NEWER_THAN_FORMS}; got {truncated_repr(text)}.") from error
    if isinstance(reference, VersionId):
        return reference
    if model not in (None, reference.model):
        raise InvalidCriteriaError(f"newer_than names {text}, which is a version of another model than {model}.")
    return Watermark(number=reference.number)
