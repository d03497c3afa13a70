from __future__ import annotations

import math
from dataclasses import astuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_wriftai.client.bucket_estimate import FURTHEST_SLOT, BucketEstimate, Limited, Observation

START = 1_000.0


def _seen(at: float, *, remaining: float = 0, reset: float | None = None, refused: bool = False) -> Observation:
    return Observation(at, at, refused=refused, remaining=remaining, resets_at=reset, reset=reset, limit=5)


def _learned(interval: float, burst: int = 5) -> BucketEstimate:
    return BucketEstimate(
        limited=Limited.YES, interval=interval, burst=burst, next_slot=START, observed_at=START, available=0
    )


def test_the_interval_is_the_difference_between_resets() -> None:
    bucket = BucketEstimate()
    # The service's clock is an hour ahead: the time until a reset says nothing.
    for step in range(4):
        bucket.reserve(START + step / 3)
        bucket.observe(_seen(START + step / 3, reset=START + 3600 + step / 3))
    assert bucket.interval == pytest.approx(1 / 3)


def test_resets_in_whole_seconds_are_measured_over_longer() -> None:
    bucket = BucketEstimate()
    for step in range(90):
        at = START + step / 3
        bucket.observe(_seen(at, reset=math.ceil(at + 1 / 3)))
        assert not bucket.interval or step >= 30
    assert bucket.interval == pytest.approx(1 / 3, rel=0.05)


def test_slots_are_an_interval_apart() -> None:
    bucket = _learned(0.5)
    slots = [bucket.reserve(START)[1] for _ in range(4)]
    assert slots == [START, START + 0.5, START + 1, START + 1.5]


def test_unused_slots_accumulate_up_to_the_burst() -> None:
    bucket = _learned(0.5, burst=3)
    slots = [bucket.reserve(START + 100)[1] for _ in range(4)]
    assert slots == [START + 100] * 3 + [START + 100.5]


def test_nothing_is_reserved_too_far_ahead() -> None:
    bucket = _learned(10)
    reserved = [bucket.reserve(START) for _ in range(20)]
    assert [granted for granted, _ in reserved] == [True] * 7 + [False] * 13
    assert max(at for _, at in reserved) <= START + FURTHEST_SLOT


def test_nothing_is_reserved_before_the_service_opens_again() -> None:
    bucket = _learned(0.5)
    bucket.close(START + 7)
    assert bucket.reserve(START) == (True, START + 7)
    assert bucket.reserve(START) == (True, START + 7.5)


def test_what_was_learned_long_ago_is_forgotten() -> None:
    bucket = _learned(0.5)
    assert bucket.reserve(START + 500)[0]
    assert bucket.reserve(START + 700)[0]
    assert not bucket.interval
    assert not bucket.reserve(START + 700)[0]


def test_the_slots_of_processes_that_died_come_back() -> None:
    bucket = _learned(0.5)
    for _ in range(10):
        bucket.reserve(START)  # and nothing is ever sent
    # Five seconds later the burst is there again, however little was heard.
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
def test_whatever_is_observed_the_estimate_stays_usable(steps: list[tuple[Observation, int]]) -> None:
    bucket, now = BucketEstimate(), START
    for seen, reservations in steps:
        now = max(now, seen.received_at)
        bucket.observe(seen)
        bucket.close(min(now, seen.received_at) + 1)
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
