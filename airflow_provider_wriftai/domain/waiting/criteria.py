"""The criteria of a wait: as a user sets them, and as they are resolved when the wait begins.

``Criteria`` is what the user asks for. Some of it depends on what exists when the wait begins: "newer than the start",
or newer than a version that only its id names. The first poll resolves that into a ``Watermark``, and from then on
``ResolvedCriteria`` decide about versions. They travel as JSON: to a trigger, and to the next process of a task.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
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
from airflow_provider_wriftai.domain.empty_values import explain_empty
from airflow_provider_wriftai.domain.patterns import Pattern
from airflow_provider_wriftai.domain.results import find_reference
from airflow_provider_wriftai.domain.search import Match, match_digest
from airflow_provider_wriftai.domain.waiting.errors import InvalidCriteriaError
from airflow_provider_wriftai.domain.watermark import Age, Watermark

_START = "start"
_KEYS = frozenset({"version", "model", "digest", "newer_than", "release_notes"})

NEWER_THAN_FORMS = (
    "'start', a version's reference or number, a version as a task returned it, or a time with its time zone"
)


@dataclass(frozen=True, slots=True)
class Start:
    """The moment at which a wait begins.

    Attributes:
        at: The moment by Airflow's clock, where it lies before the first poll: the wait began in another process. None
            if the wait begins with its first poll.
    """

    at: datetime | None = None


START = Start()

NewerThan: TypeAlias = Watermark | VersionId | Start
"""What a version has to be newer than: a number or a time, a version by id, or what exists when the wait begins."""

Target: TypeAlias = ModelReference | VersionId
"""What is polled: the versions of a model, or one version by its id, for which no list is needed."""


@dataclass(frozen=True, slots=True)
class Criteria:
    """The criteria of a wait. All of them have to match.

    Attributes:
        version: A given version. Then there are no other criteria.
        model: The model whose version it is; None if the version is given by an id.
        digest: The digest of its image.
        newer_than: What it has to be newer than.
        release_notes: A pattern that is found in its release notes.
        target: What is polled for it.
    """

    version: VersionReference | None = None
    model: ModelReference | None = None
    digest: str | None = None
    newer_than: NewerThan | None = None
    release_notes: Pattern | None = None
    target: Target = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        others = (self.digest, self.newer_than, self.release_notes)
        if isinstance(self.version, VersionNumber):
            if self.model not in (None, self.version.model):
                raise InvalidCriteriaError(f"{self.version} is not a version of {self.model}.")
            object.__setattr__(self, "model", self.version.model)
        if self.version is not None and any(each is not None for each in others):
            raise InvalidCriteriaError(
                "A wait for a given version takes no further criteria. Give the model and the criteria instead."
            )
        target = self.version if isinstance(self.version, VersionId) else self.model
        if target is None:
            raise InvalidCriteriaError("Nothing to wait for: give a version, or a model and at least one criterion.")
        object.__setattr__(self, "target", target)
        if self.version is None and all(each is None for each in others):
            raise InvalidCriteriaError(
                f"No criterion for the version of {self.model}: give image, newer_than (for example 'start'), or "
                "release_notes."
            )
        if self.digest is not None and not is_digest(self.digest):
            raise InvalidCriteriaError(
                f"The image must be a digest ('sha256:' and 64 hexadecimal digits); got {truncated_repr(self.digest)}."
            )

    @property
    def depends_on_start(self) -> bool:
        """Whether the versions that exist when the wait begins have to be known."""
        return isinstance(self.newer_than, Start)

    def began_at(self, time: datetime) -> Criteria:
        """Return the same criteria for a wait whose first poll did not show what existed when it began.

        Args:
            time: When it began, by Airflow's clock.
        """
        return replace(self, newer_than=Start(time)) if self.newer_than == START else self

    @property
    def subject(self) -> str:
        """The criteria at the start of a sentence. A reference keeps its case."""
        text = str(self)
        return text if self.version is not None else text[:1].upper() + text[1:]

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
                names = f", {', '.join(sorted(map(str, known)))}" if len(known) == 1 else ""
                parts.append(f"newer than {time.isoformat()}{names}")
            case VersionId(id=version_id):
                parts.append(f"newer than {version_id}")
            case Watermark() | Start():
                parts.append("newer than the start of the wait")
        if self.release_notes is not None:
            parts.append(f"whose release notes match {truncated_repr(self.release_notes.text)}")
        return " ".join(parts)

    def to_json(self) -> dict[str, Any]:
        """Return the criteria as JSON, without those that are not given."""
        newer_than: Any = None
        match self.newer_than:
            case Watermark() as watermark:
                newer_than = watermark.to_json()
            case VersionId(id=version_id):
                newer_than = version_id
            case Start(at=None):
                newer_than = _START
            case Start(at=datetime() as time):
                newer_than = {_START: time.isoformat()}
        values = {
            "version": str(self.version) if self.version is not None else None,
            "model": str(self.model) if self.version is None else None,
            "digest": self.digest,
            "newer_than": newer_than,
            "release_notes": self.release_notes.text if self.release_notes is not None else None,
        }
        return {name: value for name, value in values.items() if value is not None}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Criteria:
        """Parse what :meth:`to_json` returned.

        Raises:
            InvalidCriteriaError: It is something else.
        """
        if not isinstance(value, Mapping):
            raise InvalidCriteriaError(f"The criteria of a wait must be a mapping; got {truncated_repr(value)}.")
        if unknown := set(value) - _KEYS:
            # A criterion that is ignored would make the wait accept another version than the requested one.
            names = ", ".join(sorted(map(truncated_repr, unknown)))
            raise InvalidCriteriaError(
                f"The criteria of the wait contain {names}, which this version of the provider does not know. Workers "
                "and triggerers must run the same version of it."
            )
        try:
            return cls(
                version=parse_version(value["version"]) if "version" in value else None,
                model=ModelReference.parse(value["model"]) if "model" in value else None,
                digest=value.get("digest"),
                newer_than=_newer_than_from_json(value.get("newer_than")),
                release_notes=read_pattern(value["release_notes"]) if "release_notes" in value else None,
            )
        except InvalidCriteriaError:
            raise
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise InvalidCriteriaError(f"The criteria of the wait are invalid: {error}") from error


@dataclass(frozen=True, slots=True)
class ResolvedCriteria:
    """Criteria for which it is known what a version has to be newer than.

    Attributes:
        criteria: What the user asks for.
        newer_than: What a version has to be newer than; None for nothing.
    """

    criteria: Criteria
    newer_than: Watermark | None = None

    def match(self, version: VersionRecord) -> Match:
        """Return whether a version is what is waited for; ``UNKNOWN`` if that depends on what its list left out."""
        # If the age of a version is unknown, its details do not contain it either.
        if self.newer_than is not None and self.newer_than.compare(version) is not Age.NEWER:
            return Match.NO
        digest = Match.YES if self.criteria.digest is None else match_digest(self.criteria.digest)(version)
        return digest if digest is Match.NO else Match.all_of(digest, self._match_notes(version))

    def _match_notes(self, version: VersionRecord) -> Match:
        if self.criteria.release_notes is None:
            return Match.YES
        if version.release_notes is None:
            return Match.UNKNOWN
        return Match.YES if self.criteria.release_notes.search(version.release_notes) else Match.NO

    def as_criteria(self) -> Criteria:
        """Return criteria that resolve to these, wherever and whenever."""
        if self.newer_than == self.criteria.newer_than:
            return self.criteria
        return replace(self.criteria, newer_than=self.newer_than)


def read_newer_than(model: ModelReference | None, value: object) -> NewerThan:
    """Read what a version has to be newer than.

    Args:
        model: The model; None if it is not known.
        value: ``start``; a number; ``owner/name:number``; an id; a version as the provider's tasks return it; a time,
            as a datetime or ISO 8601 text, with its time zone.

    Raises:
        InvalidCriteriaError: It is none of these.
    """
    reference = find_reference(value)
    text = reference.strip() if isinstance(reference, str) else reference
    if text == _START:
        return START
    if isinstance(text, str):
        text = 0 if text == "0" else parse_number(text) or _parse_time(text) or text
    match text:
        case bool():
            pass
        case int() if 0 <= text < 10**18:
            return Watermark(number=text)
        case datetime():
            if text.tzinfo is None:
                raise InvalidCriteriaError(
                    f"newer_than must have a time zone; got {text.isoformat()}. Append one, for example '+00:00'."
                )
            return Watermark(oldest=text)
        case str() if text not in ("", "None"):
            return _parse_version(model, text)
    raise InvalidCriteriaError(
        f"newer_than must be {NEWER_THAN_FORMS}; got {truncated_repr(value)}.{explain_empty(value)}"
    )


def read_pattern(text: str) -> Pattern:
    """Read a pattern for release notes.

    Raises:
        InvalidPatternError: It does not compile.
    """
    return Pattern("release_notes", text)


def _newer_than_from_json(value: object) -> NewerThan | None:
    if value is None:
        return None
    if value == _START:
        return START
    if isinstance(value, Mapping):
        if set(value) == {_START}:
            time = datetime.fromisoformat(value[_START])
            if time.tzinfo is None:
                raise ValueError("the start has no time zone")
            return Start(time)
        return Watermark.from_json(value)
    if isinstance(value, str):
        return VersionId(value)
    raise TypeError("'newer_than' is of another type")


def _parse_time(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _parse_version(model: ModelReference | None, text: str) -> NewerThan:
    try:
        reference = parse_version(text)
    except InvalidReferenceError as error:
        raise InvalidCriteriaError(f"newer_than must be {NEWER_THAN_FORMS}; got {truncated_repr(text)}.") from error
    if isinstance(reference, VersionId):
        return reference
    if model not in (None, reference.model):
        raise InvalidCriteriaError(f"newer_than must name a version of {model}; got {text}.")
    return Watermark(number=reference.number)
