from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_wriftai.domain.waiting.poll_interval import SHORTEST_INTERVAL, PollInterval


def test_without_backoff_the_interval_stays_the_same() -> None:
    assert [PollInterval(7.5).after(polls) for polls in (1, 2, 50)] == [7.5] * 3


@given(st.floats(1, 3600), st.integers(1, 500), st.none() | st.floats(2, 10_000))
def test_with_backoff_the_interval_doubles_with_jitter_up_to_the_maximum(
    seconds: float, polls: int, maximum: float | None
) -> None:
    longest = min(seconds * 2.0 ** (polls - 1), maximum or float("inf"))
    assert longest / 2 - 1e-9 <= PollInterval(seconds, exponential=True, maximum=maximum).after(polls) <= longest or (
        longest / 2 < SHORTEST_INTERVAL
    )


@pytest.mark.parametrize(("polls", "least"), [(1, 5), (2, 10), (3, 20), (4, 40)])
def test_the_interval_doubles_as_in_airflows_sensors(polls: int, least: int) -> None:
    drawn = [PollInterval(10, exponential=True).after(polls) for _ in range(50)]
    assert least <= min(drawn) <= max(drawn) <= 2 * least


@pytest.mark.parametrize("exponential", [False, True])
@pytest.mark.parametrize("maximum", [None, 0, 0.5])
def test_an_interval_of_zero_is_raised_to_the_shortest(exponential: bool, maximum: float | None) -> None:
    interval = PollInterval(0, exponential, maximum)
    assert [interval.after(polls) >= SHORTEST_INTERVAL for polls in (1, 2, 10)] == [True] * 3
    assert interval.shortest == SHORTEST_INTERVAL
