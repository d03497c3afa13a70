from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_wriftai.client.backoff import Backoff


def test_a_delay_grows_up_to_its_maximum() -> None:
    backoff = Backoff(0.5, 2, maximum=3)
    assert [backoff.delay(attempt) for attempt in range(1, 6)] == [0.5, 1, 2, 3, 3]


def test_without_a_maximum_a_delay_keeps_growing() -> None:
    assert Backoff(1, 2).delay(21) == 2**20


def test_a_factor_of_one_keeps_the_delay() -> None:
    assert Backoff(4, 1).delay(1_000_000) == 4


@given(st.floats(0, 1e300), st.floats(1, 1e300), st.none() | st.floats(0, 1e6), st.floats(0, 1), st.integers(1, 10**12))
def test_a_delay_is_always_within_its_bounds(
    initial: float, factor: float, maximum: float | None, jitter: float, attempt: int
) -> None:
    longest = Backoff(initial, factor, maximum).delay(attempt)
    assert 0 <= longest <= (float("inf") if maximum is None else maximum)
    delay = Backoff(initial, factor, maximum, jitter).delay(attempt)
    assert delay <= longest
    assert delay >= longest * (1 - jitter) or longest == float("inf") == delay


def test_a_backoff_is_a_value() -> None:
    assert Backoff(1, 2) == Backoff(1, 2, None, 0.0)
    with pytest.raises(dataclasses.FrozenInstanceError):
        Backoff(1, 2).initial = 3  # type: ignore[misc]
