from __future__ import annotations

import traceback

import pytest

from airflow_provider_wriftai._airflow.compat import AirflowFailException
from airflow_provider_wriftai._airflow.failures import fail_without_retry
from airflow_provider_wriftai.client.errors import ConfigurationError, NotFoundError, RequestInfo


def _raise(error: Exception) -> None:
    raise error


def test_an_error_that_no_retry_can_fix_fails_the_task() -> None:
    with pytest.raises(AirflowFailException, match=r"^The CA bundle is missing\.$") as caught, fail_without_retry():
        _raise(ConfigurationError("The CA bundle is missing."))
    assert caught.value.__cause__ is None


def test_a_retryable_error_is_left_to_airflows_retries() -> None:
    error = NotFoundError(RequestInfo("GET", "/x"), 404, "")
    with pytest.raises(NotFoundError) as caught, fail_without_retry():
        _raise(error)
    assert caught.value is error
    assert error.__cause__ is None


def test_other_errors_are_raised_unchanged() -> None:
    with pytest.raises(ZeroDivisionError), fail_without_retry():
        _raise(ZeroDivisionError())


@pytest.mark.parametrize("error", [ConfigurationError("x"), NotFoundError(RequestInfo("GET", "/x"), 404, "")])
def test_a_log_shows_one_short_traceback(error: Exception) -> None:
    with pytest.raises(Exception) as caught, fail_without_retry():  # noqa: PT011
        _raise(error)
    shown = "".join(traceback.format_exception(caught.value))
    assert shown.count("Traceback (most recent call last)") == 1
    assert shown.count('  File "') <= 4
