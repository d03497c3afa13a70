"""Which requests are retried, and when: tenacity's policies for a request."""

from __future__ import annotations

import logging
import random
from dataclasses import dataclass
from typing import Any

from tenacity import RetryCallState, retry_if_exception

from airflow_provider_wriftai.client.backoff import Backoff
from airflow_provider_wriftai.client.errors import APIError, ConnectionFailedError, RateLimitedError, RequestError

log = logging.getLogger(__name__)

_TRANSIENT = frozenset({408, 425, 500, 502, 503, 504, *range(520, 525), 529})
"""Statuses after which the same request may succeed; 520 to 524 and 529 are those of content delivery networks."""

_REFUSED_UNREAD = frozenset({425})
"""Statuses with which a server says that it has not processed the request (RFC 8470, section 5.2)."""

_BACKOFF = Backoff(initial=0.5, maximum=20.0, jitter=0.5)
"""The pauses between attempts, in seconds."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How long a request is tried.

    Attributes:
        attempts: Attempts at most, the first one included. Waiting for the token's budget does not count.
        seconds: Seconds after which no further attempt begins.
    """

    attempts: int = 5
    seconds: float = 180.0


class RetryState:
    """The attempts at one request: whether another one follows, and after how long.

    GET, PATCH, and DELETE are tried again after anything transient: no connection, a timeout, 408, 425, 429, 500, 502,
    503, 504, 520 to 524, and 529. A POST is tried again only if it cannot have been executed: it was never sent, 425,
    or 429.
    """

    def __init__(self, method: str, policy: RetryPolicy) -> None:
        self._method = method
        self._policy = policy
        self._failures = 0
        self.waited = 0.0
        """Seconds spent on waiting for the token's budget."""
        self._may_have_been_executed = False

    def options(self) -> dict[str, Any]:
        """Keywords for both ``tenacity.Retrying`` and ``tenacity.AsyncRetrying``."""
        return {
            "retry": retry_if_exception(self._is_retryable),
            "wait": self._wait,
            "stop": self._is_exhausted,
            "before_sleep": self._log,
            "reraise": True,
        }

    @property
    def may_have_deleted(self) -> bool:
        """Whether an attempt at this DELETE may have arrived, so that a 404 on a later one means success."""
        return self._method == "DELETE" and self._may_have_been_executed

    def _is_retryable(self, error: BaseException) -> bool:
        if isinstance(error, RequestError) and error.ambiguous:
            self._may_have_been_executed = True
        if isinstance(error, RateLimitedError):
            return True
        self._failures += 1
        if isinstance(error, ConnectionFailedError):
            return self._method != "POST" or not error.ambiguous
        if isinstance(error, APIError) and error.status in _TRANSIENT:
            return self._method != "POST" or error.status in _REFUSED_UNREAD
        return False

    def _wait(self, state: RetryCallState) -> float:
        error = _error_of(state)
        if isinstance(error, RateLimitedError) and error.retry_after is not None:
            # The rate limiter has noted it, and makes the next attempt wait.
            return 0.0
        if isinstance(error, APIError) and error.retry_after is not None:
            return error.retry_after + random.uniform(0, _BACKOFF.initial)  # noqa: S311 - spreads load
        return _BACKOFF.delay(state.attempt_number)

    def _is_exhausted(self, state: RetryCallState) -> bool:
        spent = (state.seconds_since_start or 0.0) + state.upcoming_sleep
        if not isinstance(_error_of(state), RateLimitedError):
            # Time spent waiting for the budget counts only if the budget is what failed.
            spent -= self.waited
        return self._failures >= self._policy.attempts or spent >= self._policy.seconds

    def _log(self, state: RetryCallState) -> None:
        error = _error_of(state)
        if isinstance(error, RateLimitedError) and error.retry_after is not None:
            log.info("%s Trying again in %.1f s, when the budget is reset.", error, error.retry_after)
            return
        log.warning("%s Trying again in %.1f s (attempt %d).", error, state.upcoming_sleep, state.attempt_number + 1)


def _error_of(state: RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome else None
