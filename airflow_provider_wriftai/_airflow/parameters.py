"""Parse parameters of tasks: values from a DAG, text that a template rendered, or results of other tasks.

DAG files load this module, so everything heavier than the standard library is imported where a parameter is parsed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeVar, cast

from airflow_provider_wriftai.client.errors import WriftAIError
from airflow_provider_wriftai.client.text import truncated_repr

if TYPE_CHECKING:
    from datetime import timedelta

    from airflow_provider_wriftai.client.references import ModelReference

T = TypeVar("T")

_LONGEST_NUMBER = 20
_LITERALS = ("[", "(", "{", "'", '"')


class InvalidParameterError(WriftAIError, ValueError):
    """A parameter of a task is invalid. Nothing was sent."""


class NotSet(Enum):
    """The type of :data:`NOTSET`."""

    NOTSET = "NOTSET"

    def __repr__(self) -> str:
        return self.name


NOTSET = NotSet.NOTSET
"""The default of an optional parameter for which None is a mistake: a template or a task may render to None by
accident."""


def none_if_notset(value: T | NotSet) -> T | None:
    """Return what Airflow should render in place of a parameter: it would render the sentinel, too."""
    return None if isinstance(value, NotSet) else value


class ExplicitParameters:
    """Which parameters of a task the DAG sets.

    Once rendered, a parameter that the DAG does not set and one whose template rendered to None are both None. Only the
    latter is a mistake.

    Args:
        parameters: Each parameter as the DAG gives it.
    """

    def __init__(self, **parameters: object) -> None:
        self._names = frozenset(name for name, value in parameters.items() if value is not NOTSET)

    def parse(self, task: object, name: str, parse: Callable[[Any], T]) -> T | None:
        """Parse a parameter that the DAG sets, or for which a mapped task has a value.

        Args:
            task: The task, with its parameters rendered.
            name: The name of the parameter.
            parse: Parses the value; raises an error for None.

        Returns:
            The parsed value; None if the parameter is not set.
        """
        value = getattr(task, name)
        return parse(value) if name in self._names or value is not None else None


class ErrorCollector:
    """Collects what is wrong with several parameters, so that one message can report all of it.

    Attributes:
        problems: What is wrong, each a sentence.
    """

    def __init__(self) -> None:
        self.problems: list[str] = []

    def collect(self, parse: Callable[..., T], *arguments: Any, **bounds: Any) -> T:
        """Parse a parameter with one of the functions below, or record what is wrong with it.

        Returns:
            The parsed value. It must not be used while there are problems.
        """
        try:
            return parse(*arguments, **bounds)
        except InvalidParameterError as error:
            self.problems.append(str(error))
            return cast("T", None)


def parse_int(name: str, value: object, *, least: int | None = None, most: int | None = None) -> int:
    """Parse an integer.

    Raises:
        InvalidParameterError: The value is not an integer, or it is out of bounds.
    """
    number: int | None = None
    if isinstance(value, str) and value.strip().removeprefix("-").isdecimal() and len(value) < _LONGEST_NUMBER:
        number = int(value)
    elif isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**_LONGEST_NUMBER:
        number = value
    if number is None or (least is not None and number < least) or (most is not None and number > most):
        raise InvalidParameterError(
            f"{name} must be an integer{_bounds(least, most)}; got {truncated_repr(value)}.{_explain_empty(value)}"
        )
    return number


def _bounds(least: int | None, most: int | None) -> str:
    if least is not None and most is not None:
        return f" from {least} to {most}"
    if least is not None:
        return f" of at least {least}"
    return "" if most is None else f" of at most {most}"


def parse_seconds(name: str, value: object, *, most: float = float("inf")) -> float:
    """Parse a number of seconds: a number, a text with one, or a timedelta.

    Raises:
        InvalidParameterError: The value is not a number, or it is out of bounds.
    """
    from datetime import timedelta

    number = float("nan")
    if isinstance(value, timedelta):
        number = value.total_seconds()
    elif isinstance(value, str | int | float) and not isinstance(value, bool):
        with suppress(ValueError, OverflowError):
            number = float(value)
    if not 0 <= number <= most or number == float("inf"):
        limit = f"from 0 to {most:g}" if most < float("inf") else "of at least 0"
        raise InvalidParameterError(
            f"{name} must be a number of seconds {limit}; got {truncated_repr(value)}.{_explain_empty(value)}"
        )
    return number


def parse_model(name: str, value: object) -> ModelReference:
    """Parse ``owner/name``.

    Raises:
        InvalidParameterError: The value is empty, or not text.
        InvalidReferenceError: The text is not the name of a model.
    """
    from airflow_provider_wriftai.client.references import ModelReference

    return ModelReference.parse(parse_str(name, value))


def parse_version_reference(name: str, value: object) -> str:
    """Parse a version reference as another task may have returned it.

    Raises:
        InvalidParameterError: The value contains no reference.
    """
    from airflow_provider_wriftai.domain.results import find_reference

    reference = find_reference(value)
    if not isinstance(reference, str) or _is_empty(reference) or _is_no_id(reference.strip()):
        raise InvalidParameterError(
            f"{name} must be an id, 'owner/name:number', or a version as a task returned it; got "
            f"{truncated_repr(value)}. Check that the task it comes from returned a version."
        )
    return reference.strip()


def _is_no_id(text: str) -> bool:
    """Return whether a text without a model is something else than an id: a number, a word, or a written-out value."""
    from airflow_provider_wriftai.client.references import is_literal, parse_number

    return "/" not in text and (is_literal(text) or text.isalpha() or parse_number(text) is not None)


def parse_bool(name: str, value: object) -> bool:
    """Parse true or false.

    Raises:
        InvalidParameterError: The value is neither.
    """
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().lower() in ("true", "false"):
        return value.strip().lower() == "true"
    raise InvalidParameterError(f"{name} must be true or false; got {truncated_repr(value)}.{_explain_empty(value)}")


def parse_duration(name: str, value: object) -> timedelta:
    """Parse a duration: a timedelta, or a text such as ``30d``.

    Raises:
        InvalidParameterError: The value is neither.
        InvalidPolicyError: The text is not a duration.
    """
    from datetime import timedelta

    from airflow_provider_wriftai.domain.retention import durations

    if isinstance(value, timedelta):
        return value
    if isinstance(value, str) and not _is_empty(value):
        return durations.parse_duration(value)
    raise InvalidParameterError(
        f"{name} must be a timedelta or text such as '30d'; got {truncated_repr(value)}.{_explain_empty(value)}"
    )


def parse_list(name: str, value: object) -> list[Any]:
    """Parse a list: a list, its text as a template renders it, or items with commas between them.

    Raises:
        InvalidParameterError: The value cannot be read as a list.
    """
    if isinstance(value, str) and not _is_empty(value):
        text = value.strip()
        if not text.startswith(_LITERALS):
            return [part.strip() for part in text.split(",")]
        value = _evaluate(text)
    if isinstance(value, Sequence | AbstractSet) and not isinstance(value, str | bytes):
        return list(value)
    raise InvalidParameterError(
        f"{name} must be a list, or text with commas between the items; got {truncated_repr(value)}."
        + _explain_empty(value)
    )


def _evaluate(text: str) -> object:
    import ast
    import json

    # A plain template renders a list as Python writes it; with the filter tojson, as JSON.
    for parse in (ast.literal_eval, json.loads):
        try:
            return parse(text)
        except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
            continue
    return text


def parse_str(name: str, value: object) -> str:
    """Parse text that is not empty.

    Raises:
        InvalidParameterError: The value is empty, or not text.
    """
    if isinstance(value, str) and not _is_empty(value):
        return value
    raise InvalidParameterError(f"{name} must be text; got {truncated_repr(value)}.{_explain_empty(value)}")


def parse_static(name: str, value: object) -> str:
    """Parse text of a DAG file that nothing renders.

    Raises:
        InvalidParameterError: The value is empty, a template, or not text.
    """
    text = parse_str(name, value)
    if "{" in text:
        raise InvalidParameterError(
            f"{name} must not be a template, because nothing renders it; got {truncated_repr(text)}."
        )
    return text


def parse_choice(name: str, value: object, choices: tuple[str, ...]) -> str:
    """Parse one of a few words.

    Raises:
        InvalidParameterError: The value is not one of the choices.
    """
    if isinstance(value, str) and value in choices:
        return value
    raise InvalidParameterError(
        f"{name} must be one of {', '.join(map(repr, choices))}; got {truncated_repr(value)}.{_explain_empty(value)}"
    )


def _is_empty(value: object) -> bool:
    from airflow_provider_wriftai.domain.empty_values import is_empty

    return is_empty(value)


def _explain_empty(value: object) -> str:
    from airflow_provider_wriftai.domain.empty_values import explain_empty

    return explain_empty(value)
