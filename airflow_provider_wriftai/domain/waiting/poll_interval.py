"""How long to wait between two polls."""

from __future__ import annotations

from dataclasses import dataclass

from airflow_provider_wriftai.client.backoff import Backoff

SHORTEST_INTERVAL = 1.0
"""Seconds between two polls at least. Without it, an interval of 0 would send more than a thousand requests a
second."""

_FIRST_BACKOFF = 1.0


@dataclass(frozen=True, slots=True)
class PollInterval:
    """Seconds between polls, as Airflow's sensors count them.

    Attributes:
        seconds: Seconds between polls.
        exponential: Whether they double from poll to poll, with jitter.
        maximum: Seconds that they grow to at most; None for no limit.
    """

    seconds: float
    exponential: bool = False
    maximum: float | None = None

    @property
    def shortest(self) -> float:
        """The seconds that pass between two polls at least."""
        return max(self.seconds if not self.exponential else 0.0, SHORTEST_INTERVAL)

    def after(self, polls: int) -> float:
        """Return how long to wait after a number of polls.

        The growth is that of Airflow's ``BaseSensorOperator``: half of the interval to all of it after the first poll,
        and twice as much after each further one.

        Args:
            polls: How many polls were made, the first included.
        """
        if not self.exponential:
            return self.shortest
        backoff = Backoff(max(self.seconds, _FIRST_BACKOFF), factor=2.0, maximum=self.maximum, jitter=0.5)
        return max(backoff.delay(polls), self.shortest)
