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
def test_the_error_of_the_estimated_time_is_bounded(ahead: float, exchanges: list[tuple[float, float]]) -> None:
    clock, now = ServiceClock(), 1_764_000_000.0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(service_clock, "time", SimpleNamespace(time=lambda: now, monotonic=lambda: now - 1e9))
        for pause, trip in exchanges:
            now += pause + trip
            service_time = now - trip / 2 + ahead
            date = datetime.fromtimestamp(math.floor(service_time), UTC)
            clock.update(date, resets_at=service_time + 0.3, waited=trip)
            # The date is the lower bound, the reset the upper bound.
            assert -1 - trip - 1e-3 <= clock.time() - (now + ahead) <= 0.3 + trip + 1e-3


def test_a_change_of_the_services_clock_is_followed() -> None:
    clock = ServiceClock()
    now = time.time()
    clock.update(datetime.fromtimestamp(int(now), UTC), None, waited=0)
    clock.update(datetime.fromtimestamp(int(now) + 3600, UTC), None, waited=0)
    assert clock.time() - time.time() == pytest.approx(3600, abs=1.5)


@pytest.mark.parametrize("ahead", [3600, 400 * 86_400])
def test_a_reset_that_has_just_passed_does_not_invalidate_the_date(ahead: float) -> None:
    clock, service_time = ServiceClock(), time.time() + ahead
    clock.update(datetime.fromtimestamp(int(service_time), UTC), resets_at=service_time - 3, waited=0)
    assert clock.time() - service_time == pytest.approx(-3, abs=1.5)


def test_setting_the_clock_of_the_machine_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, real = ServiceClock(), time.time
    clock.update(datetime.fromtimestamp(int(real()), UTC), None, waited=0)
    before = clock.ahead()
    set_ahead = SimpleNamespace(time=lambda: real() + 86_400, monotonic=time.monotonic)
    monkeypatch.setattr(service_clock, "time", set_ahead)
    assert clock.ahead() == pytest.approx(before, abs=2)
