"""How often and for how long reconciling searches for a version that may still appear."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_wriftai.client.errors import AuthenticationError, RequestInfo, ServerError, WriftAIError
from airflow_provider_wriftai.client.references import VersionId
from airflow_provider_wriftai.client.version import VersionRecord
from airflow_provider_wriftai.domain.publishing.reconcile import CONFIRMATION_SECONDS, CONFIRMATIONS, reconcile
from airflow_provider_wriftai.domain.sansio import Operations, Pause
from tests.support.publishing import Time

VERSION = VersionRecord(VersionId("id-1"))
DOWN = ServerError(RequestInfo("GET", "/versions"), 503, "Down.")
REVOKED = AuthenticationError(RequestInfo("GET", "/versions"), 401, "Revoked.")


class ScriptedSearch:
    """A search with scripted outcomes that records when it runs.

    Attributes:
        outcomes: The outcomes of the first runs; later ones find nothing.
        times: The times of the runs.
    """

    def __init__(self, time: Time, outcomes: Sequence[VersionRecord | WriftAIError | None] = ()) -> None:
        self.outcomes = list(outcomes)
        self.times: list[float] = []
        self._time = time
        self.appears_at = float("inf")

    def __call__(self) -> Operations[VersionRecord | None]:
        self.times.append(self._time.now)
        yield from ()
        outcome = self.outcomes.pop(0) if self.outcomes else None
        if isinstance(outcome, WriftAIError):
            raise outcome
        return VERSION if self._time.now >= self.appears_at else outcome


def drive(time: Time, search: Callable[[], Operations[VersionRecord | None]], seconds: float) -> VersionRecord | None:
    """Reconcile in virtual time."""
    operations = reconcile(search, seconds, clock=time.clock)
    while True:
        try:
            step = next(operations)
        except StopIteration as stop:
            found: VersionRecord | None = stop.value
            return found
        assert isinstance(step, Pause)
        time.sleep(step.seconds)


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with caplog.at_level(logging.CRITICAL):
        yield


def test_a_version_that_exists_already_takes_no_time(time: Time) -> None:
    search = ScriptedSearch(time, [VERSION])
    assert drive(time, search, 120) == VERSION
    assert search.times == [0]


@given(st.floats(0, 3600), st.floats(0, 1))
def test_a_version_that_appears_in_time_is_found(seconds: float, share: float) -> None:
    time = Time()
    search = ScriptedSearch(time)
    search.appears_at = seconds * share
    assert drive(time, search, seconds) == VERSION


@given(st.floats(0, 3600))
def test_a_version_that_never_appears_is_searched_three_times_after_the_deadline(seconds: float) -> None:
    time = Time()
    search = ScriptedSearch(time)
    assert drive(time, search, seconds) is None
    late = [at for at in search.times if at >= seconds]
    assert len(late) == 1 + CONFIRMATIONS
    assert late[-1] - late[0] == pytest.approx(CONFIRMATIONS * CONFIRMATION_SECONDS)
    assert len(search.times) < 10 + seconds / 30


@pytest.mark.parametrize("stale", [1, 2])
def test_stale_responses_at_the_end_are_not_trusted(time: Time, stale: int) -> None:
    assert drive(time, ScriptedSearch(time, [*[None] * stale, VERSION]), 0) == VERSION


def test_a_search_that_fails_before_the_deadline_is_repeated(time: Time) -> None:
    search = ScriptedSearch(time, [DOWN, DOWN, VERSION])
    assert drive(time, search, 120) == VERSION
    assert len(search.times) == 3


@pytest.mark.parametrize("outcomes", [[DOWN], [None, DOWN]])
def test_a_search_that_fails_at_the_end_resolves_nothing(
    time: Time, outcomes: list[VersionRecord | WriftAIError | None]
) -> None:
    with pytest.raises(ServerError):
        drive(time, ScriptedSearch(time, outcomes), 0)


def test_an_error_that_no_retry_can_fix_is_raised_at_once(time: Time) -> None:
    search = ScriptedSearch(time, [REVOKED])
    with pytest.raises(AuthenticationError):
        drive(time, search, 120)
    assert search.times == [0]
