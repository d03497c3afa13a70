from __future__ import annotations

import math
import time
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_wriftai.client import service_clock
from airflow_provider_wriftai.client.service_clock import ServiceClock


@given(st.floats(-1e6, 1e6), st.lists(st.tuples(st.floats(0, 5), st.floats(0, 1)), min_size=1, max_size=30))
def test_the_services_clock_is_never_taken_for_further_away_than_it_can_be(
    ahead: float, exchanges: list[tuple[float, float]]
) -> None:
    clock, here = ServiceClock(), 1_764_000_000.0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(service_clock, "time", SimpleNamespace(time=lambda: here, monotonic=lambda: here - 1e9))
        for pause, trip in exchanges:
            here += pause + trip
            there = here - trip / 2 + ahead
            date = datetime.fromtimestamp(math.floor(there), UTC)
            clock.update(date, resets_at=there + 0.3, waited=trip)
            # From below the date bounds it, from above the reset.
            assert -1 - trip - 1e-3 <= clock.time() - (here + ahead) <= 0.3 + trip + 1e-3


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


def test_setting_the_machines_clock_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, real = ServiceClock(), time.time
    clock.update(datetime.fromtimestamp(int(real()), UTC), None, waited=0)
    before = clock.ahead()
    set_ahead = SimpleNamespace(time=lambda: real() + 86_400, monotonic=time.monotonic)
    monkeypatch.setattr(service_clock, "time", set_ahead)
    assert clock.ahead() == pytest.approx(before, abs=2)
