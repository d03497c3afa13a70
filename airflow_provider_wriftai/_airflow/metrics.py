"""Counters and timers, through Airflow's own metrics."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

log = logging.getLogger(__name__)

_PREFIX = "wriftai"


def count(name: str, number: int = 1) -> None:
    """Increment a counter.

    Args:
        name: The name of the counter, such as ``publish.created``.
        number: The increment.
    """
    if number:
        request_counter()(name, number)


def request_counter() -> Callable[[str, int], None]:
    """Return a function that counts without further look-ups, for frequent events."""
    from airflow_provider_wriftai._airflow.compat import Stats

    def count_up(name: str, number: int) -> None:
        with _tolerating_errors("counter", name):
            Stats.incr(f"{_PREFIX}.{name}", number)

    return count_up


def gauge(name: str, value: float) -> None:
    """Set a gauge.

    Args:
        name: The name of the gauge, such as ``wait.open``.
        value: The value.
    """
    from airflow_provider_wriftai._airflow.compat import Stats

    with _tolerating_errors("gauge", name):
        Stats.gauge(f"{_PREFIX}.{name}", value)


@contextmanager
def timed(name: str) -> Iterator[None]:
    """Report how long a block takes, even if it fails.

    Args:
        name: The name of the timer, such as ``publish``.
    """
    from airflow_provider_wriftai._airflow.compat import Stats

    began = time.monotonic()
    try:
        yield
    finally:
        with _tolerating_errors("timer", name):
            Stats.timing(f"{_PREFIX}.{name}.duration", (time.monotonic() - began) * 1000)


@contextmanager
def _tolerating_errors(kind: str, name: str) -> Iterator[None]:
    try:
        yield
    except Exception:  # a metric is not worth a failed task
        log.debug("Cannot report the %s %s.", kind, name, exc_info=True)
