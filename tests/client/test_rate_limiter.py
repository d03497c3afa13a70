from __future__ import annotations

import gc
import time
import weakref
from collections.abc import Generator, Iterator
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_wriftai.client.access_token import AccessToken
from airflow_provider_wriftai.client.api import API
from airflow_provider_wriftai.client.bucket_estimate import BucketEstimate
from airflow_provider_wriftai.client.rate_limiter import RateLimiter, rate_limiter_for
from airflow_provider_wriftai.client.reservation_clock import ReservationClock
from airflow_provider_wriftai.client.response import Response
from airflow_provider_wriftai.client.versions import Versions
from airflow_provider_wriftai.sandbox.app import create_app
from airflow_provider_wriftai.sandbox.rate_limit import Limit, RateLimit
from airflow_provider_wriftai.sandbox.server import running
from tests.support.simulated_processes import Bucket, Simulation, Window


def _response(status: int = 429, **headers: str) -> Response:
    return Response(status, {name.replace("_", "-"): value for name, value in headers.items()}, b"")


def _drain(rate_limiter: RateLimiter) -> int:
    """Return how many requests the budget admits at once."""
    admitted = 0
    while next(rate_limiter.acquire(), 0.0) == 0:
        admitted += 1
        assert admitted < 100
        rate_limiter._others_first_until = 0.0  # as if the others had gone first
    return admitted


def _learn(rate_limiter: RateLimiter, status: int = 200, **headers: str) -> None:
    rate_limiter.update(_response(status, **headers), sent_at=time.monotonic())


def test_the_first_request_goes_alone_and_its_response_admits_the_others() -> None:
    rate_limiter = RateLimiter()
    assert _drain(rate_limiter) == 1
    _learn(rate_limiter, x_ratelimit_remaining="4", x_ratelimit_reset="1")
    assert _drain(rate_limiter) == 4


def test_without_a_limit_no_request_waits() -> None:
    rate_limiter = RateLimiter()
    assert _drain(rate_limiter) == 1
    _learn(rate_limiter)
    for _ in range(50):
        assert next(rate_limiter.acquire(), 0.0) == 0


def test_without_a_limit_no_request_waits_for_sleeping_ones() -> None:
    rate_limiter = RateLimiter()
    assert _drain(rate_limiter) == 1
    sleeping = [rate_limiter.acquire() for _ in range(2)]
    assert all(next(acquire) > 0 for acquire in sleeping)
    _learn(rate_limiter)
    assert next(rate_limiter.acquire(), 0.0) == 0
    assert [next(acquire, 0.0) for acquire in reversed(sleeping)] == [0, 0]


def test_requests_in_flight_are_subtracted_from_the_remaining_budget() -> None:
    rate_limiter = RateLimiter()
    assert _drain(rate_limiter) == 1
    _learn(rate_limiter, x_ratelimit_remaining="5", x_ratelimit_reset="1")
    assert _drain(rate_limiter) == 5
    _learn(rate_limiter, x_ratelimit_remaining="5", x_ratelimit_reset="1")
    assert _drain(rate_limiter) == 1


def test_an_exhausted_budget_makes_the_next_request_wait_for_the_reset() -> None:
    rate_limiter = RateLimiter()
    _drain(rate_limiter)
    _learn(rate_limiter, x_ratelimit_remaining="0", x_ratelimit_reset="30")
    assert 29 < next(rate_limiter.acquire()) < 31


@pytest.mark.parametrize("headers", [{}, {"x_ratelimit_reset": "0"}, {"x_ratelimit_reset": "1000000001"}])
def test_after_a_429_there_is_always_a_wait(headers: dict[str, str]) -> None:
    rate_limiter = RateLimiter()
    _drain(rate_limiter)
    _learn(rate_limiter, 429, **headers)
    assert 0.05 < next(rate_limiter.acquire()) < 2


def test_a_late_response_to_an_older_request_does_not_end_the_wait() -> None:
    rate_limiter = RateLimiter()
    before = time.monotonic()
    _drain(rate_limiter)
    _learn(rate_limiter, x_ratelimit_remaining="0", x_ratelimit_reset="30")
    rate_limiter.update(_response(200, x_ratelimit_remaining="3", x_ratelimit_reset="0"), sent_at=before)
    assert 29 < next(rate_limiter.acquire()) < 31


def test_a_request_without_a_response_blocks_no_other() -> None:
    rate_limiter = RateLimiter()
    assert _drain(rate_limiter) == 1
    rate_limiter.release()
    assert _drain(rate_limiter) == 1


def test_invalid_headers_are_ignored() -> None:
    rate_limiter = RateLimiter()
    _drain(rate_limiter)
    _learn(rate_limiter, x_ratelimit_remaining="many", x_ratelimit_reset="soon", date="yesterday", retry_after="later")
    assert next(rate_limiter.acquire(), 0.0) == 0


@pytest.mark.parametrize("ahead", [-3600, -0.5, 0.5, 3600])
def test_the_reset_is_kept_with_a_wrong_clock_of_the_service(ahead: float) -> None:
    rate_limiter = RateLimiter()
    for _ in range(5):
        service_time = time.time() + ahead
        _drain(rate_limiter)
        _learn(
            rate_limiter,
            x_ratelimit_remaining="0",
            x_ratelimit_reset=f"{service_time + 0.3}",
            date=formatdate(service_time, usegmt=True),
        )
        # The reset is 0.3 s away, and the date has a precision of a second.
        assert next(rate_limiter.acquire(), 0.0) <= 1.4
        rate_limiter._bucket.closed_until = 0.0


def _give_up(acquire: Iterator[float]) -> None:
    assert isinstance(acquire, Generator)
    acquire.close()


def test_one_429_of_a_proxy_does_not_limit_later_requests() -> None:
    rate_limiter = RateLimiter()
    _drain(rate_limiter)
    _learn(rate_limiter, 429, retry_after="0")
    rate_limiter._bucket.closed_until = 0.0  # as if the wait were over
    assert _drain(rate_limiter) == 1
    _learn(rate_limiter, 200)
    for _ in range(50):
        assert next(rate_limiter.acquire(), 0.0) == 0


def test_a_request_waits_no_longer_than_its_maximum() -> None:
    rate_limiter = RateLimiter()
    _drain(rate_limiter)
    _learn(rate_limiter, x_ratelimit_remaining="0", x_ratelimit_reset="60")
    waits = list(rate_limiter.acquire(at_most=0.0))
    assert waits == [0.0]


def test_a_request_that_is_given_up_leaves_the_queue() -> None:
    rate_limiter = RateLimiter()
    _drain(rate_limiter)
    _learn(rate_limiter, x_ratelimit_remaining="0", x_ratelimit_reset="60")
    acquire = rate_limiter.acquire()
    next(acquire)
    assert len(rate_limiter._queue) == 1
    with rate_limiter._lock:  # as when it is collected while this thread holds it
        _give_up(acquire)
    assert (len(rate_limiter._queue), rate_limiter._in_flight) == (0, 0)


def test_the_next_request_gets_a_slot_that_is_given_up() -> None:
    rate_limiter = RateLimiter()
    now = time.monotonic()
    rate_limiter._bucket = BucketEstimate(limited=1, interval=10, next_slot=now + 30, observed_at=now)
    first, second = rate_limiter.acquire(), rate_limiter.acquire()
    assert 29 < next(first) <= 30
    assert next(second) > 29
    _give_up(first)
    assert 29 < next(second) <= 30
    assert rate_limiter._bucket.reserved == 1


def test_requests_of_a_process_are_sent_in_their_order() -> None:
    simulation = Simulation(Bucket(3, 5), [16], 48)
    waits = [wait for wait, _ in simulation.run().waits]
    assert max(waits) < 2 * 16 / 3


@pytest.mark.parametrize("headers", [{}, {"retry_after": "0"}, {"x_ratelimit_reset": "1000000001"}])
def test_the_wait_doubles_with_each_refusal_in_a_row(headers: dict[str, str]) -> None:
    rate_limiter, waits = RateLimiter(), []
    for _ in range(8):
        _drain(rate_limiter)
        rate_limiter._bucket.closed_until = 0.0  # as if the wait were over
        _learn(rate_limiter, 429, **headers)
        waits.append(rate_limiter._bucket.closed_until - time.monotonic())
    assert waits[-1] == pytest.approx(2 * waits[-2], rel=0.05) == pytest.approx(12.8, rel=0.05)
    _learn(rate_limiter, 200, x_ratelimit_remaining="1", x_ratelimit_reset="1")
    rate_limiter._bucket.closed_until = 0.0
    _learn(rate_limiter, 429, **headers)
    assert rate_limiter._bucket.closed_until - time.monotonic() < 1.1


@pytest.mark.parametrize("reset", [f"{time.time() + 365 * 86400:.0f}", f"{time.time() * 1000:.0f}"])
def test_an_implausible_reset_falls_back_to_the_backoff(reset: str) -> None:
    rate_limiter = RateLimiter()
    _drain(rate_limiter)
    sent_at = time.monotonic()
    assert rate_limiter.update(_response(429, x_ratelimit_reset=reset), sent_at) is None
    assert 0 < next(rate_limiter.acquire()) < 2


def test_the_budget_belongs_to_the_token() -> None:
    first, other = AccessToken("a"), AccessToken("b")
    assert rate_limiter_for("https://h/v1", first) is rate_limiter_for("https://h/v1", AccessToken("a"))
    assert rate_limiter_for("https://h/v1", first) is not rate_limiter_for("https://h/v1", other)
    assert rate_limiter_for("https://h/v1", first) is not rate_limiter_for("https://h/v1", AccessToken(""))
    assert rate_limiter_for("https://h/v1", first) is rate_limiter_for("https://H/v2", first)
    assert rate_limiter_for("https://h/v1", first) is rate_limiter_for("https://h:443/v1", first)
    for url in ("http://h/v1", "https://i/v1", "https://h:8443/v1"):
        assert rate_limiter_for(url, first) is not rate_limiter_for("https://h/v1", first)
    assert rate_limiter_for("https://h/v1", first, "off") is not rate_limiter_for("https://h/v1", first)


def test_limiters_of_unused_tokens_are_garbage_collected() -> None:
    used = rate_limiter_for("https://h/v1", AccessToken("used"), "off")
    gone = weakref.ref(rate_limiter_for("https://h/v1", AccessToken("gone"), "off"))
    for number in range(100):
        rate_limiter_for("https://h/v1", AccessToken(f"token-{number}"), "off")
    gc.collect()
    assert gone() is None
    assert rate_limiter_for("https://h/v1", AccessToken("used"), "off") is used


def test_processes_of_one_machine_share_a_budget(tmp_path: Path) -> None:
    first, second = (RateLimiter(ReservationClock(tmp_path / "own", "budget")) for _ in range(2))
    assert (_drain(first), _drain(second)) == (1, 0)
    _learn(first, x_ratelimit_remaining="4", x_ratelimit_reset="1")
    assert first._others_first_until > 0, "it has just had a slot"
    assert next(second.acquire(), 0.0) == 0
    first._others_first_until = 0.0
    assert _drain(first) == 3
    assert _drain(second) == 0


def test_sharing_can_be_turned_off() -> None:
    limiter = rate_limiter_for("https://h/v1", AccessToken("alone"), "off")
    assert limiter._clock is None


@pytest.mark.parametrize("workers", [[1, 1], [16, 16], [16, 1, 16, 1], [1, 16] * 4, [16, 1] * 8])
def test_many_processes_use_the_whole_limit_and_hardly_exceed_it(workers: list[int]) -> None:
    outcome = Simulation(Bucket(3, 5), workers, 20).run()
    floor = (20 * len(workers) - 5) / 3
    assert outcome.seconds <= 1.05 * floor
    assert outcome.refused <= max(3, 0.03 * outcome.sent)
    assert max(outcome.finished.values()) <= 1.25 * min(outcome.finished.values())


def test_processes_that_do_not_share_the_budget_exceed_the_limit() -> None:
    outcome = Simulation(Bucket(3, 5), [16, 1] * 4, 20, shared=False).run()
    assert outcome.refused > 0.2 * outcome.sent


@pytest.mark.parametrize("workers", [[16], [16] * 4, [1] * 8, [1, 16] * 8])
def test_a_higher_limit_is_used_up_although_responses_arrive_out_of_order(workers: list[int]) -> None:
    outcome = Simulation(Bucket(30, 10), workers, 300 if len(workers) == 1 else 100).run()
    floor = (outcome.sent - outcome.refused - 10) / 30
    assert outcome.seconds <= 1.10 * floor
    assert outcome.refused <= 0.05 * outcome.sent


@pytest.mark.parametrize("seed", range(5))
def test_a_small_budget_is_shared_fairly_from_the_beginning(seed: int) -> None:
    outcome = Simulation(Bucket(3, 5), [1, 16] * 4, 10, seed=seed).run()
    assert max(outcome.finished.values()) <= 1.35 * min(outcome.finished.values())
    assert outcome.refused <= 0.05 * outcome.sent


@pytest.mark.parametrize("workers", [[1] * 3, [16] * 3])
def test_a_high_limit_is_used_up_over_short_round_trips(workers: list[int]) -> None:
    outcome = Simulation(Bucket(300, 5), workers, 300, latency=(0.001, 0.004)).run()
    assert outcome.seconds <= 1.06 * (900 - 5) / 300


@pytest.mark.parametrize("seed", range(5))
def test_a_sequential_process_keeps_up_with_concurrent_ones(seed: int) -> None:
    outcome = Simulation(Bucket(30, 10), [1, 16, 1, 16], 60, seed=seed).run()
    assert max(outcome.finished.values()) <= 1.35 * min(outcome.finished.values())
    assert outcome.refused <= 0.05 * outcome.sent


@pytest.mark.parametrize("seed", range(5))
def test_an_estimate_from_few_requests_is_soon_corrected(seed: int) -> None:
    outcome = Simulation(Bucket(30, 10), [1] * 8, 30, seed=seed).run()
    assert outcome.seconds <= 1.15 * (8 * 30 - 10) / 30


def test_unused_reserved_slots_expire() -> None:
    rate_limiter = RateLimiter()
    now = time.monotonic()
    rate_limiter._bucket = BucketEstimate(limited=1, interval=10, next_slot=now + 30, observed_at=now)
    rate_limiter._slots.extend([now - 9, now - 8])
    assert 29 < next(rate_limiter.acquire()) <= 30


@pytest.mark.parametrize(("changed", "at_most"), [(1.0, 1.10), (30.0, 1.25)])
def test_a_limit_that_changes_is_followed(changed: float, at_most: float) -> None:
    limit = Bucket(3, 5)
    simulation = Simulation(limit, [1, 16, 1, 16], 50)
    simulation.at(30, lambda: setattr(limit, "per_second", changed))
    outcome = simulation.run()
    assert outcome.seconds <= at_most * (30 + (200 - 95) / changed)
    assert outcome.refused <= 0.2 * outcome.sent


@pytest.mark.parametrize("workers", [[1], [16], [1, 16]])
def test_a_limit_per_window_is_respected_too(workers: list[int]) -> None:
    outcome = Simulation(Window(60, 60), workers, 200 // len(workers)).run()
    assert outcome.seconds <= 60 * 4
    assert outcome.refused <= 0.05 * outcome.sent


def test_one_process_under_a_limit_gets_no_429(sandbox: Any) -> None:
    owner, name = sandbox.new_model(versions=1).split("/")
    limit = RateLimit(Limit(per_second=50, burst=5), None)
    with running(create_app(sandbox.store, limit)) as url, API(f"{url}/v1", sandbox.token) as api:
        versions = Versions(api)
        for _ in range(20):
            versions.get(f"{owner}/{name}:1")
    path = f"/v1/models/{owner}/{name}/versions/1"
    assert [entry["status"] for entry in sandbox.store.requests(1000) if entry["path"] == path] == [200] * 20
