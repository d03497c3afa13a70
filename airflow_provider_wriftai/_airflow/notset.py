"""Parameters that may be left out, and for which None is a mistake: what a template or another task may come to."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any, TypeVar

T = TypeVar("T")


class NotSet(Enum):
    """The default of such a parameter."""

    NOTSET = "left out"

    def __repr__(self) -> str:
        return self.name


NOTSET = NotSet.NOTSET


def none_if_notset(value: T | NotSet) -> T | None:
    """Give what Airflow is to render in place of a parameter: it would render the sentinel too."""
    return None if isinstance(value, NotSet) else value


class ExplicitParameters:
    """Which of a task's parameters were given.

    What is given and comes to nothing is a mistake, and what is left out is not: once rendered, both look the same.

    Args:
        parameters: Each parameter, as the DAG gives it.
    """

    def __init__(self, **parameters: object) -> None:
        self._names = frozenset(name for name, value in parameters.items() if value is not NOTSET)

    def read(self, task: object, name: str, read: Callable[[Any], T]) -> T | None:
        """Read a parameter of the task where it was given, or where a mapped task has a value for it.

        Args:
            task: The task, with its parameters rendered.
            name: The parameter's name.
            read: What reads it, and refuses None.

        Returns:
            What was read; None where it was left out.
        """
        value = getattr(task, name)
        return read(value) if name in self._names or value is not None else None
