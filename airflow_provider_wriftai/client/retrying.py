"""What may be tried again, and when: tenacity's policies for a request."""

from __future__ import annotations

import logging
import random
from dataclasses import dataclass
from typing import Any

from tenacity import RetryCallState, retry_if_exception

from airflow_provider_wriftai.client.errors import (
    ConnectionFailedError,
    RateLimitedError,
    RequestError,
    ServerError,
)

log = logging.getLogger(__name__)

_TRANSIENT_STATUSES = frozenset({500, 502, 503, 504})
_FIRST_BACKOFF = 0.5
_LONGEST_BACKOFF = 20.0
_MOST_DOUBLINGS = 10


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How long a request is worth trying.

    Attributes:
        attempts: RetryState at the most, the first included; waiting for the token's budget is none.
        seconds: Seconds after which no further try begins.
    """

    attempts: int = 5
    seconds: float = 180.0


class RetryState:
    """The tries at one request: whether there is another one, and after how long.

    GET and DELETE are tried again after whatever may pass: no connection, a timeout, 429, 500, 502,
    503, 504. A POST is tried again only where it cannot have been carried out: no connection was
    made, or 429.
    """

    def __init__(self, method: str, policy: RetryPolicy) -> None:
        self._method = method
        self._policy = policy
        self._failures = 0
        self.waited = 0.0
        """Seconds that went into waiting for the token's budget."""
        self._may_have_been_carried_out = False

    def options(self) -> dict[str, Any]:
        """Keywords for both ``tenacity.Retrying`` and ``tenacity.AsyncRetrying``."""
        return {
            "retry": retry_if_exception(self._is_worth_another),
            "wait": self._wait,
            "stop": self._is_enough,
            "before_sleep": self._tell,
            "reraise": True,
        }

    @property
    def may_have_deleted(self) -> bool:
        """Whether a try of this DELETE may have arrived, so that a 404 on a later one means success."""
        return self._method == "DELETE" and self._may_have_been_carried_out

    def _is_worth_another(self, error: BaseException) -> bool:
        if isinstance(error, RequestError) and error.ambiguous:
            self._may_have_been_carried_out = True
        if isinstance(error, RateLimitedError):
            return True
        self._failures += 1
        if isinstance(error, ConnectionFailedError):
            return self._method != "POST" or not error.ambiguous
        return isinstance(error, ServerError) and self._method != "POST" and error.status in _TRANSIENT_STATUSES

    def _wait(self, state: RetryCallState) -> float:
        error = _error_of(state)
        if isinstance(error, RateLimitedError) and error.retry_after is not None:
            # The budget has learnt of it and makes the next try wait.
            return 0.0
        if isinstance(error, ServerError) and error.retry_after is not None:
            return error.retry_after + random.uniform(0, _FIRST_BACKOFF)  # noqa: S311
        longest = min(_FIRST_BACKOFF * 2 ** min(state.attempt_number - 1, _MOST_DOUBLINGS), _LONGEST_BACKOFF)
        return random.uniform(longest / 2, longest)  # noqa: S311

    def _is_enough(self, state: RetryCallState) -> bool:
        spent = (state.seconds_since_start or 0.0) + state.upcoming_sleep
        if not isinstance(_error_of(state), RateLimitedError):
            # Waiting for the budget is no trying; only where nothing else went wrong it has to end some time.
            spent -= self.waited
        return self._failures >= self._policy.attempts or spent >= self._policy.seconds

    def _tell(self, state: RetryCallState) -> None:
        error = _error_of(state)
        if isinstance(error, RateLimitedError) and error.retry_after is not None:
            log.info("%s Trying again in %.1f s, when the budget is reset.", error, error.retry_after)
            return
        log.warning(
            "%s Trying again in %.1f s (try %d).", _error_of(state), state.upcoming_sleep, state.attempt_number + 1
        )


def _error_of(state: RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome else None
