"""Regular expressions of users, bounded in time.

Python's ``re`` cannot be interrupted: a pattern such as ``(a|aa)+$`` can search for years, stops a triggerer with all
its waits, and ignores ``on_kill``. The ``regex`` package reads the same syntax, and gives up after a given time.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from typing import Any

from airflow_provider_wriftai.client.errors import WriftAIError
from airflow_provider_wriftai.client.text import escape, truncated_repr

LONGEST_PATTERN = 2000
"""Characters that a pattern may have: longer ones take long to compile, too."""

LONGEST_SEARCH = 0.25
"""Seconds of CPU time after which a search is abandoned. A typical one takes microseconds."""

LARGEST_PATTERN = 10_000
"""Items that a pattern may have once its repetitions are written out, as ``regex`` does in memory: ``x{100}`` has a
hundred. No search bounds the time that this takes."""


_re_parser: Any = importlib.import_module("re._parser")
_REPETITIONS = (_re_parser.MAX_REPEAT, _re_parser.MIN_REPEAT, _re_parser.POSSESSIVE_REPEAT)


class InvalidPatternError(WriftAIError, ValueError):
    """A regular expression does not compile, or is too long."""


class PatternTimeoutError(WriftAIError):
    """A search for a regular expression took too long."""


class Pattern:
    """A regular expression, to search for in texts.

    Two patterns are equal if their texts are.

    Args:
        parameter: The parameter that it is the value of, for errors.
        text: The regular expression, in the syntax of Python's ``re``.

    Raises:
        InvalidPatternError: The text is not a regular expression, or is too long.
    """

    __slots__ = ("_compiled", "parameter", "text")

    def __init__(self, parameter: str, text: str) -> None:
        import regex

        self.parameter = parameter
        self.text = text
        if len(text) > LONGEST_PATTERN:
            raise InvalidPatternError(
                f"{parameter} must be a regular expression of at most {LONGEST_PATTERN} characters; it has {len(text)}."
            )
        try:
            size = _size_of(_re_parser.parse(text))
            if size <= LARGEST_PATTERN:
                self._compiled = regex.compile(text)
        except (re.error, regex.error, RecursionError, OverflowError, ValueError, MemoryError) as error:
            raise InvalidPatternError(
                f"{parameter} must be a regular expression; got {truncated_repr(text)} ({escape(str(error))})."
            ) from error
        if size > LARGEST_PATTERN:
            raise InvalidPatternError(
                f"{parameter} repeats too much: written out, it would have more than {LARGEST_PATTERN:,} items. Got "
                f"{truncated_repr(text)}."
            )

    def search(self, text: str) -> bool:
        """Return whether the pattern is found in a text.

        Raises:
            PatternTimeoutError: The search took too long.
        """
        try:
            return self._compiled.search(text, timeout=LONGEST_SEARCH) is not None
        except (TimeoutError, MemoryError):
            pass
        raise PatternTimeoutError(
            f"The search for {self.parameter} {truncated_repr(self.text)} in {truncated_repr(text)} did not end within "
            f"{LONGEST_SEARCH:g} s. Simplify the pattern: nested or adjacent repetitions such as (a+)+ or a+a+ can "
            "take exponentially long."
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Pattern) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)

    def __repr__(self) -> str:
        return f"Pattern({self.parameter!r}, {self.text!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.parameter, self.text)


def _size_of(parsed: Any) -> int:
    """Return how many items a parsed pattern has once its repetitions are written out."""
    size = 0
    for operation, argument in parsed:
        if operation in _REPETITIONS:
            least, most, repeated = argument
            size += max(least, 1 if most is _re_parser.MAXREPEAT else most) * _size_of(repeated)
        else:
            size += 1 + sum(map(_size_of, _parts_of(argument)))
    return size


def _parts_of(argument: Any) -> Iterator[Any]:
    if isinstance(argument, _re_parser.SubPattern):
        yield argument
    elif isinstance(argument, tuple | list):
        for each in argument:
            yield from _parts_of(each)
