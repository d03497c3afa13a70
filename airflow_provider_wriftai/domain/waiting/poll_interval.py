"""How long to wait between two looks."""

from __future__ import annotations

import random
from dataclasses import dataclass

from airflow_provider_wriftai.domain.waiting.errors import InvalidCriteriaError

_MOST_DOUBLINGS = 30


@dataclass(frozen=True, slots=True)
class PollInterval:
    """Seconds between looks, as Airflow's sensors count them.

    Attributes:
        interval: Seconds between looks.
        exponential: Whether they double from look to look, with jitter.
        longest: Seconds that they grow to at the most; None for no bound.
    """

    interval: float
    exponential: bool = False
    longest: float | None = None

    def __post_init__(self) -> None:
        for name, seconds in (("interval", self.interval), ("longest", self.longest)):
            if seconds is not None and not (isinstance(seconds, int | float) and 0 <= seconds < float("inf")):
                raise InvalidCriteriaError(f"The {name} between looks must be seconds from 0 on; got {seconds!r}.")

    def after(self, looks: int) -> float:
        """Tell how long to wait after so many looks, the first included.

        The doubling is that of Airflow's ``BaseSensorOperator``: at least a second, from a half of the interval on.
        """
        if not self.exponential:
            return self.interval
        least = max(int(self.interval * 2.0 ** (min(looks, _MOST_DOUBLINGS) - 2)), 1)
        seconds = least + random.random() * least  # noqa: S311
        return seconds if self.longest is None else min(seconds, self.longest)
