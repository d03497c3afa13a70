"""What can go wrong with waiting, beyond the errors of the client."""

from __future__ import annotations

from airflow_provider_wriftai.client.errors import (
    AuthenticationError,
    InvalidRequestError,
    PaginationError,
    PermissionDeniedError,
    RequestError,
    WriftAIError,
)


class InvalidConditionError(WriftAIError, ValueError):
    """What is waited for cannot be meant."""


class NeverThereError(WriftAIError):
    """The version is not there, and never will be: newer ones are, and numbers only count up."""


class WaitFailedError(WriftAIError):
    """A wait ended without the version, for a reason that a retry may mend."""


class WaitTimedOutError(WriftAIError):
    """The version was not there in time."""


def may_pass(error: WriftAIError) -> bool:
    """Tell whether a look that failed so is worth another one."""
    if isinstance(error, AuthenticationError | PermissionDeniedError | InvalidRequestError):
        return False
    return isinstance(error, RequestError | PaginationError)
