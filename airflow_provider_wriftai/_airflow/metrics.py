"""Counters and timers, through Airflow's own metrics."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

log = logging.getLogger(__name__)

_PREFIX = "wriftai"


def count(name: str, number: int = 1) -> None:
    """Count something up.

    Args:
        name: What is counted, such as ``publish.created``.
        number: By how much.
    """
    if number:
        request_counter()(name, number)


def request_counter() -> Callable[[str, int], None]:
    """Give a function that counts, and looks nothing up for it: for what happens often."""
    from airflow_provider_wriftai._airflow.compat import Stats

    def count_up(name: str, number: int) -> None:
        try:
            Stats.incr(f"{_PREFIX}.{name}", number)
        except Exception:  # a number is not worth a task
            log.debug("%s could not be counted.", name, exc_info=True)

    return count_up


def gauge(name: str, value: float) -> None:
    """Report the present value of something.

    Args:
        name: What it is the value of, such as ``wait.open``.
        value: The value.
    """
    from airflow_provider_wriftai._airflow.compat import Stats

    try:
        Stats.gauge(f"{_PREFIX}.{name}", value)
    except Exception:
        log.debug("%s could not be reported.", name, exc_info=True)


@contextmanager
def timed(name: str) -> Iterator[None]:
    """Time something, also where it fails.

    Args:
        name: What is timed, such as ``publish``.
    """
    from airflow_provider_wriftai._airflow.compat import Stats

    began = time.monotonic()
    try:
        yield
    finally:
        try:
            Stats.timing(f"{_PREFIX}.{name}.duration", (time.monotonic() - began) * 1000)
        except Exception:
            log.debug("%s could not be timed.", name, exc_info=True)
