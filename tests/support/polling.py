"""Poll for conditions that offer no event."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")

PATIENCE = 240.0


def until(
    done: Callable[[], T], status: Callable[[], Any] = lambda: "", *, patience: float = PATIENCE, every: float = 0.5
) -> T:
    """Poll until a condition holds.

    Args:
        done: The condition. It holds when the result is true.
        status: Returns the message of the failure if the condition does not hold in time.
        patience: How many seconds to wait at most.
        every: Seconds between two polls.

    Returns:
        The first true result of the condition.
    """
    deadline = time.monotonic() + patience
    while not (result := done()):
        assert time.monotonic() < deadline, status()
        time.sleep(every)
    return result
