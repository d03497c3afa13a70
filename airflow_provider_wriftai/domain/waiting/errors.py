"""What can go wrong with waiting, beyond the errors of the client."""

from __future__ import annotations

from airflow_provider_wriftai.client.errors import (
    TOKEN_REFUSED,
    InvalidRequestError,
    PaginationError,
    RequestError,
    WriftAIError,
)


class InvalidCriteriaError(WriftAIError, ValueError):
    """What is waited for cannot be meant."""


class NeverThereError(WriftAIError):
    """The version is not there, and never will be: newer ones are, and numbers only count up."""


class WaitFailedError(WriftAIError):
    """A wait ended without the version, for a reason that a retry may mend."""


class WaitTimedOutError(WriftAIError):
    """The version was not there in time."""


def is_retryable(error: WriftAIError) -> bool:
    """Tell whether a look that failed so is worth another one."""
    if isinstance(error, (*TOKEN_REFUSED, InvalidRequestError)):
        return False
    return isinstance(error, RequestError | PaginationError)


def ending(error: WriftAIError, failures: int, most: int | None, what: str) -> WriftAIError | None:
    """Decide whether a look that failed ends the wait.

    Args:
        error: Why it failed.
        failures: How many in a row have failed, with this one.
        most: How many in a row may fail; None: any number.
        what: Which looks failed, to go on with a sentence.

    Returns:
        The error that ends the wait; None where it goes on.
    """
    if not is_retryable(error):
        return error
    if most is None or failures <= most:
        return None
    return WaitFailedError(f"{failures} looks in a row {what}. The last: {error}")
