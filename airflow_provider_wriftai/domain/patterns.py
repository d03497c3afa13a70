"""Regular expressions of users, bounded in time.

Python's ``re`` cannot be interrupted: a pattern such as ``(a|aa)+$`` can search for years, stops a triggerer with all
its waits, and ignores ``on_kill``. The ``regex`` package reads the same syntax, and gives up after a given time.
"""

from __future__ import annotations

from typing import Any

from airflow_provider_wriftai.client.errors import WriftAIError
from airflow_provider_wriftai.client.text import escape, truncated_repr

LONGEST_PATTERN = 2000
"""Characters that a pattern may have: longer ones take long to compile, too."""

LONGEST_SEARCH = 0.25
"""Seconds of CPU time after which a search is abandoned. A typical one takes microseconds."""


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
            self._compiled = regex.compile(text)
        except (regex.error, RecursionError, OverflowError, ValueError) as error:
            raise InvalidPatternError(
                f"{parameter} must be a regular expression; got {truncated_repr(text)} ({escape(str(error))})."
            ) from error

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
