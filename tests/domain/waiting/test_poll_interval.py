from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_wriftai.domain.waiting.poll_interval import PollInterval


def test_without_backoff_it_is_always_the_same() -> None:
    assert [PollInterval(7.5).after(looks) for looks in (1, 2, 50)] == [7.5] * 3


@given(st.floats(0, 3600), st.integers(1, 100_000), st.none() | st.floats(0, 100))
def test_with_backoff_it_doubles_with_jitter_up_to_the_longest(
    interval: float, looks: int, longest: float | None
) -> None:
    least = max(int(interval * 2.0 ** (min(looks, 30) - 2)), 1)
    seconds = PollInterval(interval, exponential=True, longest=longest).after(looks)
    if longest is not None and longest < least:
        assert seconds == longest
    else:
        assert least <= seconds <= least * 2 if longest is None else seconds <= longest


@pytest.mark.parametrize(("looks", "least"), [(1, 5), (2, 10), (3, 20), (4, 40)])
def test_it_is_the_doubling_of_airflows_sensors(looks: int, least: int) -> None:
    drawn = [PollInterval(10, exponential=True).after(looks) for _ in range(50)]
    assert least <= min(drawn) <= max(drawn) <= 2 * least
