"""Asking again and again, where nothing offers an event."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")

PATIENCE = 240.0


def until(
    done: Callable[[], T], tell: Callable[[], Any] = lambda: "", *, patience: float = PATIENCE, every: float = 0.5
) -> T:
    """Ask until something is so.

    Args:
        done: Asks; what it gives counts as yes or no.
        tell: Tells how things stand, where it is not so in time.
        patience: Seconds until then.
        every: Seconds between two questions.

    Returns:
        What was given in the end.
    """
    deadline = time.monotonic() + patience
    while not (given := done()):
        assert time.monotonic() < deadline, tell()
        time.sleep(every)
    return given
