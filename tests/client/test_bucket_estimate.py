from __future__ import annotations

import math
from dataclasses import astuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_wriftai.client.bucket_estimate import FURTHEST_SLOT, BucketEstimate, Limited, Observation

START = 1_000.0


def _observation(at: float, *, reset: float) -> Observation:
    return Observation(at, at, refused=False, remaining=0, resets_at=reset, reset=reset, limit=5)


def _bucket(interval: float, burst: int = 5) -> BucketEstimate:
    """Return an estimate that has learned an interval."""
    return BucketEstimate(
        limited=Limited.YES, interval=interval, burst=burst, next_slot=START, observed_at=START, available=0
    )


def test_the_interval_is_the_difference_between_resets() -> None:
    bucket = BucketEstimate()
    # The service's clock is an hour ahead, so the time until a reset is unknown.
    for step in range(4):
        bucket.reserve(START + step / 3)
        bucket.observe(_observation(START + step / 3, reset=START + 3600 + step / 3))
    assert bucket.interval == pytest.approx(1 / 3)


def test_resets_in_whole_seconds_are_measured_over_a_longer_time() -> None:
    bucket = BucketEstimate()
    for step in range(90):
        at = START + step / 3
        bucket.observe(_observation(at, reset=math.ceil(at + 1 / 3)))
        assert not bucket.interval or step >= 30
    assert bucket.interval == pytest.approx(1 / 3, rel=0.05)


def test_slots_are_an_interval_apart() -> None:
    bucket = _bucket(0.5)
    slots = [bucket.reserve(START)[1] for _ in range(4)]
    assert slots == [START, START + 0.5, START + 1, START + 1.5]


def test_unused_slots_accumulate_up_to_the_burst() -> None:
    bucket = _bucket(0.5, burst=3)
    slots = [bucket.reserve(START + 100)[1] for _ in range(4)]
    assert slots == [START + 100] * 3 + [START + 100.5]


def test_nothing_is_reserved_too_far_ahead() -> None:
    bucket = _bucket(10)
    reserved = [bucket.reserve(START) for _ in range(20)]
    assert [granted for granted, _ in reserved] == [True] * 7 + [False] * 13
    assert max(at for _, at in reserved) <= START + FURTHEST_SLOT


def test_nothing_is_reserved_before_the_service_opens_again() -> None:
    bucket = _bucket(0.5)
    bucket.close(START + 7)
    assert bucket.reserve(START) == (True, START + 7)
    assert bucket.reserve(START) == (True, START + 7.5)


def test_an_old_estimate_is_forgotten() -> None:
    bucket = _bucket(0.5)
    assert bucket.reserve(START + 500)[0]
    assert bucket.reserve(START + 700)[0]
    assert not bucket.interval
    assert not bucket.reserve(START + 700)[0]


def test_the_slots_of_processes_that_died_come_back() -> None:
    bucket = _bucket(0.5)
    for _ in range(10):
        bucket.reserve(START)  # The process dies before it sends a request.
    # Ten seconds later the whole burst is available again, although no response has arrived.
    assert [bucket.reserve(START + 10)[1] for _ in range(5)] == [START + 10] * 5


_times = st.floats(START, START + 500)
_observations = st.builds(
    Observation,
    sent_at=_times,
    received_at=_times,
    refused=st.booleans(),
    remaining=st.none() | st.floats(0, 1e6),
    resets_at=st.none() | _times,
    reset=st.none() | st.floats(0, 1e12),
    limit=st.none() | st.floats(0, 1e6),
    interval=st.none() | st.floats(1e-9, 1e15),
    in_flight=st.integers(-1, 100),
)


@settings(max_examples=150)
@given(st.lists(st.tuples(_observations, st.integers(0, 3)), max_size=40))
def test_no_observation_makes_the_estimate_unusable(steps: list[tuple[Observation, int]]) -> None:
    bucket, now = BucketEstimate(), START
    for observation, reservations in steps:
        now = max(now, observation.received_at)
        bucket.observe(observation)
        bucket.close(min(now, observation.received_at) + 1)
        for _ in range(reservations):
            granted, at = bucket.reserve(now)
            assert now <= at <= now + FURTHEST_SLOT
            assert granted or at <= now + FURTHEST_SLOT
        assert bucket.is_plausible(now)
        assert astuple(BucketEstimate.unpack(bucket.pack())) == astuple(bucket)


@given(st.binary(max_size=2000))
def test_bytes_that_are_not_an_estimate_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="bytes"):
        BucketEstimate.unpack(data)


def test_numbers_that_are_not_finite_are_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        BucketEstimate.unpack(BucketEstimate(next_slot=math.nan).pack())
