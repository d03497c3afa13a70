"""Settling whether a version is there: looking again and again, for a bounded time."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

from airflow_provider_wriftai.client.common_types import Version
from airflow_provider_wriftai.client.errors import TOKEN_REFUSED, WriftAIError

log = logging.getLogger(__name__)

_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 30.0


def reconcile(
    look: Callable[[], Version | None],
    seconds: float,
    *,
    sleep: Callable[[float], None],
    clock: Callable[[], float],
) -> Version | None:
    """Look until a version shows up, or until it has had time enough to.

    An empty look proves nothing while the service may still be at work; one after ``seconds`` does.

    Args:
        look: Looks once.
        seconds: How long the service may still be at work; 0 for one look.
        sleep: Waits a number of seconds.
        clock: Tells the time in seconds.

    Returns:
        The version; None where it is not there.

    Raises:
        WriftAIError: The last look, at the end of the time, failed, or one was refused: it cannot be told.
    """
    began = clock()
    for pause in _pauses():
        is_last = clock() - began >= seconds
        try:
            if found := look():
                return found
        except TOKEN_REFUSED:
            raise
        except WriftAIError as error:
            if is_last:
                raise
            log.warning("Looking failed: %s", error)
        if is_last:
            return None
        passed = clock() - began
        wait = min(pause, max(0.0, seconds - passed))
        log.info("It is not there yet; looking again in %.0f s (%.0f of %.0f s have passed).", wait, passed, seconds)
        sleep(wait)
    raise AssertionError("the pauses never end")


def _pauses() -> Iterator[float]:
    pause = _FIRST_PAUSE
    while True:
        yield pause
        pause = min(2 * pause, _LONGEST_PAUSE)
