"""Parameters that a template may have turned into text."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import timedelta
from typing import Any, TypeVar, cast

from airflow_provider_wriftai.client.errors import WriftAIError
from airflow_provider_wriftai.client.text import truncated_repr
from airflow_provider_wriftai.domain.retention.durations import parse_duration

T = TypeVar("T")


_LONGEST_NUMBER = 20
_NOTHING = ("", "None")
_WRITTEN_OUT = ("[", "(", "{", "'", '"')


class InvalidParameterError(WriftAIError, ValueError):
    """A parameter of a task is not what it has to be; nothing was sent."""


class Problems:
    """Gathers what is wrong with some parameters, so that it can be told at once.

    Attributes:
        found: What is wrong, each a sentence.
    """

    def __init__(self) -> None:
        self.found: list[str] = []

    def unless(self, read: Callable[..., T], *arguments: Any, **bounds: Any) -> T:
        """Read a parameter with one of the functions below, or note down what is wrong with it.

        Returns:
            What was read; something that must not be used where there are problems.
        """
        try:
            return read(*arguments, **bounds)
        except InvalidParameterError as error:
            self.found.append(str(error))
            return cast("T", None)


def parse_int(name: str, value: object, *, least: int | None = None, most: int | None = None) -> int:
    """Read a whole number.

    Raises:
        InvalidParameterError: It is none, or out of bounds.
    """
    number: int | None = None
    if isinstance(value, str) and value.strip().removeprefix("-").isdecimal() and len(value) < _LONGEST_NUMBER:
        number = int(value)
    elif isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**_LONGEST_NUMBER:
        number = value
    if number is None:
        raise InvalidParameterError(f"{name} must be a whole number; got {truncated_repr(value)}.{_left_out(value)}")
    if (least is not None and number < least) or (most is not None and number > most):
        raise InvalidParameterError(f"{name} must be from {least} to {most}; got {number}.")
    return number


def seconds(name: str, value: object, *, most: float) -> float:
    """Read a number of seconds, from 0 on.

    Raises:
        InvalidParameterError: It is none, or more than ``most``.
    """
    try:
        number = float(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else -1.0
    except (ValueError, OverflowError):
        number = -1.0
    if not 0 <= number <= most:
        raise InvalidParameterError(
            f"{name} must be a number of seconds from 0 to {most:g}; got {truncated_repr(value)}."
        )
    return number


def reference_of_version(name: str, value: object) -> str:
    """Read how a version is named, as another task may have returned it.

    Raises:
        InvalidParameterError: There is nothing.
    """
    if isinstance(value, Mapping):
        value = value.get("reference")
    if not isinstance(value, str) or value.strip() in _NOTHING:
        raise InvalidParameterError(
            f"{name} is {truncated_repr(value)}; expected an id, 'owner/name:number', or a version returned by a task. "
            "Has the task that was to give it returned one?"
        )
    return value.strip()


def _left_out(value: object) -> str:
    # A criterion that a template made nothing of must not let more go than was meant.
    nothing = value is None or (isinstance(value, str) and value.strip() in _NOTHING)
    return " Where there is to be no such criterion, leave the parameter out." if nothing else ""


def flag(name: str, value: object) -> bool:
    """Read true or false.

    Raises:
        InvalidParameterError: It is neither.
    """
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().lower() in ("true", "false"):
        return value.strip().lower() == "true"
    raise InvalidParameterError(f"{name} must be true or false; got {truncated_repr(value)}.")


def age(name: str, value: object) -> timedelta:
    """Read an age: a timedelta, or a text such as ``30d``.

    Raises:
        InvalidParameterError: It is none.
        InvalidPolicyError: The text is none.
    """
    if isinstance(value, timedelta):
        return value
    if isinstance(value, str) and value.strip() not in _NOTHING:
        return parse_duration(value)
    raise InvalidParameterError(
        f"{name} must be a timedelta or a text such as '30d'; got {truncated_repr(value)}.{_left_out(value)}"
    )


def listed(name: str, value: object) -> list[Any]:
    """Read a list: one as it is, or what a template makes of one, or texts with commas between them.

    Raises:
        InvalidParameterError: It is none.
    """
    if isinstance(value, str) and value.strip() not in _NOTHING:
        text = value.strip()
        if not text.startswith(_WRITTEN_OUT):
            return [part.strip() for part in text.split(",")]
        try:
            # As a template writes a list that is not rendered to Python's objects; JSON's null has no place in one.
            value = ast.literal_eval(text)
        except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
            value = text
    if isinstance(value, Sequence | AbstractSet) and not isinstance(value, str | bytes):
        return list(value)
    raise InvalidParameterError(
        f"{name} must be a list, or texts with commas between them; got {truncated_repr(value)}.{_left_out(value)}"
    )


def text(name: str, value: object) -> str:
    """Read a text that says something.

    Raises:
        InvalidParameterError: It says nothing.
    """
    if isinstance(value, str) and value.strip() not in _NOTHING:
        return value
    raise InvalidParameterError(f"{name} must be a text; got {truncated_repr(value)}.{_left_out(value)}")


def parse_choice(name: str, value: object, choices: tuple[str, ...]) -> str:
    """Read one of a few words.

    Raises:
        InvalidParameterError: It is none of them.
    """
    if isinstance(value, str) and value in choices:
        return value
    raise InvalidParameterError(f"{name} must be one of {', '.join(map(repr, choices))}; got {truncated_repr(value)}.")
