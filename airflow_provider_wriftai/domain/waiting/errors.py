"""The errors of waiting, beyond those of the client."""

from __future__ import annotations

from dataclasses import dataclass

from airflow_provider_wriftai.client.errors import WriftAIError
from airflow_provider_wriftai.client.text import format_count


class InvalidCriteriaError(WriftAIError, ValueError):
    """The criteria of a wait are invalid."""


class VersionGoneError(WriftAIError):
    """The version does not exist and never will: newer ones exist, and numbers only count up."""


class WaitFailedError(WriftAIError):
    """A wait ended without the version, for a reason that a retry may fix."""

    retryable = True


class WaitTimedOutError(WriftAIError):
    """The version did not appear in time."""


@dataclass(slots=True)
class FailureLimit:
    """How many polls in a row may fail before the wait fails.

    Attributes:
        maximum: The limit; None for no limit.
        count: How many polls in a row have failed.
    """

    maximum: int | None
    count: int = 0

    def add(self, error: Exception, what: str, *, tolerate: bool = False) -> WriftAIError | None:
        """Count a failed poll.

        Args:
            error: Why it failed. What is not an error of this package counts as retryable.
            what: What was polled for, for the message.
            tolerate: Whether to go on after an error that is not retryable, too, until the limit is reached.

        Returns:
            The error that ends the wait; None if the wait goes on.
        """
        self.count += 1
        is_exceeded = self.maximum is not None and self.count > self.maximum
        if isinstance(error, WriftAIError) and not error.retryable and (is_exceeded or not tolerate):
            return error
        if not is_exceeded:
            return None
        polls = "The poll" if self.count == 1 else f"{self.count} polls in a row"
        return WaitFailedError(f"{polls} for {what} failed. The last error: {error}")

    def reset(self) -> None:
        """Record a successful poll."""
        self.count = 0


def format_polls(polls: int) -> str:
    """Return how many polls a wait has made; at least the one that is being made."""
    return format_count(max(polls, 1), "poll")
