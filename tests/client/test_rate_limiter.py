from __future__ import annotations

import math
import time
from datetime import UTC, datetime
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_wriftai.client.access_token import AccessToken
from airflow_provider_wriftai.client.api import API
from airflow_provider_wriftai.client.rate_limiter import (
    LONGEST_WAIT,
    RateLimiter,
    ServiceClock,
    rate_limiter_for,
    seconds_until_retry,
)
from airflow_provider_wriftai.client.response import Response
from airflow_provider_wriftai.client.versions import Versions
from airflow_provider_wriftai.sandbox.app import create_app
from airflow_provider_wriftai.sandbox.rate_limit import Limit, RateLimit
from airflow_provider_wriftai.sandbox.server import running
from tests.support.sandbox import Sandbox


def _response(status: int = 429, **headers: str) -> Response:
    return Response(status, {name.replace("_", "-"): value for name, value in headers.items()}, b"")


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry_after": "7"}, 7),
        ({"retry_after": "0"}, 0),
        ({"retry_after": "-5"}, 0),
        ({"retry_after": "1e9"}, LONGEST_WAIT),
        ({"retry_after": "nonsense"}, None),
        ({"retry_after": "inf"}, None),
        ({"retry_after": "nan"}, None),
        ({"x_ratelimit_reset": "12"}, 12),
        ({"x_ratelimit_reset": "0.25"}, 0.25),
        ({"x_ratelimit_reset": ""}, None),
        ({"x_ratelimit_reset": "12", "retry_after": "3"}, 3),
    ],
)
def test_a_number_of_seconds(headers: dict[str, str], seconds: float | None) -> None:
    assert seconds_until_retry(_response(**headers), time.time()) == seconds


def test_a_unix_time() -> None:
    assert seconds_until_retry(_response(x_ratelimit_reset="1764000020.5"), now=1764000000) == 20.5
    assert seconds_until_retry(_response(x_ratelimit_reset="1764000020"), now=1764000030) == 0


def test_an_http_date() -> None:
    date = formatdate(1764000030, usegmt=True)
    assert seconds_until_retry(_response(retry_after=date), now=1764000000) == 30


def _drain(rate_limiter: RateLimiter) -> int:
    """Count how many requests the budget lets go at once."""
    gone = 0
    while next(rate_limiter.acquire(), 0.0) == 0:
        gone += 1
        assert gone < 100
    return gone


def _learn(rate_limiter: RateLimiter, status: int = 200, **headers: str) -> None:
    rate_limiter.update(_response(status, **headers), sent_at=time.monotonic())


def test_the_first_request_goes_alone_and_its_response_tells_for_the_others() -> None:
    rate_limiter = RateLimiter()
    assert _drain(rate_limiter) == 1
    _learn(rate_limiter, x_ratelimit_remaining="4", x_ratelimit_reset="1")
    assert _drain(rate_limiter) == 4


def test_where_there_is_no_limit_nobody_waits() -> None:
    rate_limiter = RateLimiter()
    assert _drain(rate_limiter) == 1
    _learn(rate_limiter)
    for _ in range(50):
        assert next(rate_limiter.acquire(), 0.0) == 0


def test_what_is_in_flight_counts_as_not_yet_counted() -> None:
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


def test_a_response_that_was_overtaken_opens_nothing() -> None:
    rate_limiter = RateLimiter()
    before = time.monotonic()
    _drain(rate_limiter)
    _learn(rate_limiter, x_ratelimit_remaining="0", x_ratelimit_reset="30")
    rate_limiter.update(_response(200, x_ratelimit_remaining="3", x_ratelimit_reset="0"), sent_at=before)
    assert 29 < next(rate_limiter.acquire()) < 31


def test_a_request_without_a_response_holds_nobody_up_for_long() -> None:
    rate_limiter = RateLimiter()
    assert _drain(rate_limiter) == 1
    rate_limiter.release()
    rate_limiter._probed_until = 0.0  # as if its time were up
    assert _drain(rate_limiter) == 1


def test_odd_headers_do_no_harm() -> None:
    rate_limiter = RateLimiter()
    _drain(rate_limiter)
    _learn(rate_limiter, x_ratelimit_remaining="many", x_ratelimit_reset="soon", date="yesterday", retry_after="later")
    assert next(rate_limiter.acquire(), 0.0) == 0


@given(st.floats(-1e6, 1e6), st.lists(st.tuples(st.floats(0, 5), st.floats(0, 1)), min_size=1, max_size=30))
def test_the_services_clock_is_never_taken_for_further_away_than_it_can_be(
    ahead: float, exchanges: list[tuple[float, float]]
) -> None:
    clock, here = ServiceClock(), 1_764_000_000.0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("airflow_provider_wriftai.client.rate_limiter.time.time", lambda: here)
        for pause, trip in exchanges:
            here += pause + trip
            there = here - trip / 2 + ahead
            date = datetime.fromtimestamp(math.floor(there), UTC)
            clock.update(date, resets_at=there + 0.3, waited=trip)
            # From below the date bounds it, from above the reset.
            assert -1 - trip - 1e-3 <= clock.time() - (here + ahead) <= 0.3 + trip + 1e-3


@pytest.mark.parametrize("ahead", [-3600, -0.5, 0.5, 3600])
def test_with_a_clock_that_is_off_the_reset_is_still_met(ahead: float) -> None:
    rate_limiter = RateLimiter()
    for _ in range(5):
        there = time.time() + ahead
        _drain(rate_limiter)
        _learn(
            rate_limiter,
            x_ratelimit_remaining="0",
            x_ratelimit_reset=f"{there + 0.3}",
            date=formatdate(there, usegmt=True),
        )
        # Never early by more than the reset is away, nor late by more than a second.
        assert next(rate_limiter.acquire(), 0.0) <= 1.4
        rate_limiter._opens_at = 0.0


def test_a_clock_that_was_set_is_followed() -> None:
    clock = ServiceClock()
    now = time.time()
    clock.update(datetime.fromtimestamp(int(now), UTC), None, waited=0)
    clock.update(datetime.fromtimestamp(int(now) + 3600, UTC), None, waited=0)
    assert clock.time() - time.time() == pytest.approx(3600, abs=1.5)


@pytest.mark.parametrize("ahead", [3600, 400 * 86_400])
def test_a_reset_that_has_just_passed_does_not_void_what_the_date_tells(ahead: float) -> None:
    clock, there = ServiceClock(), time.time() + ahead
    clock.update(datetime.fromtimestamp(int(there), UTC), resets_at=there - 3, waited=0)
    assert clock.time() - there == pytest.approx(-3, abs=1.5)


def test_one_429_of_a_proxy_limits_nobody_for_good() -> None:
    rate_limiter = RateLimiter()
    _drain(rate_limiter)
    _learn(rate_limiter, 429, retry_after="0")
    rate_limiter._opens_at = 0.0  # as if the wait were over
    assert _drain(rate_limiter) == 1
    _learn(rate_limiter, 200)
    for _ in range(50):
        assert next(rate_limiter.acquire(), 0.0) == 0


def test_a_turn_comes_however_long_the_budget_is_used_up() -> None:
    rate_limiter = RateLimiter()
    _drain(rate_limiter)
    _learn(rate_limiter, x_ratelimit_remaining="0", x_ratelimit_reset="60")
    waits = list(rate_limiter.acquire(at_most=0.0))
    assert waits == [0.0]


def test_a_turn_that_is_given_up_waits_no_longer() -> None:
    rate_limiter = RateLimiter()
    _drain(rate_limiter)
    _learn(rate_limiter, x_ratelimit_remaining="0", x_ratelimit_reset="60")
    acquire = rate_limiter.acquire()
    next(acquire)
    assert rate_limiter._waiting == 1
    with rate_limiter._lock:  # as when it is collected while this thread holds it
        acquire.close()
    assert (rate_limiter._waiting, rate_limiter._in_flight) == (0, 0)


def test_the_budget_belongs_to_the_token() -> None:
    first, other = AccessToken("a"), AccessToken("b")
    assert rate_limiter_for("https://h/v1", first) is rate_limiter_for("https://h/v1", AccessToken("a"))
    assert rate_limiter_for("https://h/v1", first) is not rate_limiter_for("https://h/v1", other)
    assert rate_limiter_for("https://h/v1", first) is not rate_limiter_for("https://h/v1", AccessToken(""))


def test_one_process_under_a_limit_earns_no_429(sandbox: Sandbox) -> None:
    owner, name = sandbox.new_model(versions=1).split("/")
    limit = RateLimit(Limit(per_second=50, burst=5), None)
    with running(create_app(sandbox.store, limit)) as url, API(f"{url}/v1", sandbox.token) as api:
        versions = Versions(api)
        for _ in range(20):
            versions.get(f"{owner}/{name}:1")
    path = f"/v1/models/{owner}/{name}/versions/1"
    assert [entry["status"] for entry in sandbox.store.requests(1000) if entry["path"] == path] == [200] * 20
