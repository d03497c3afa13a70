from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from airflow_provider_wriftai._airflow.parameters import parse_bool, parse_choice, parse_duration, parse_int
from airflow_provider_wriftai.client.errors import WriftAIError


@pytest.mark.parametrize(
    ("value", "number"),
    [(5, 5), ("5", 5), (" 5 ", 5), ("-5", -5)],
)
def test_integers_are_parsed(value: Any, number: int) -> None:
    assert parse_int("keep_last", value) == number


@pytest.mark.parametrize(
    "value", [True, 5.0, "5.0", "five", "5,000", [5], "--5", "-", "²", None, "None", "", "9" * 5000]
)
def test_other_values_are_not_integers(value: Any) -> None:
    with pytest.raises(WriftAIError, match="keep_last must be an integer"):
        parse_int("keep_last", value)


@pytest.mark.parametrize(("value", "expected"), [(True, True), ("True", True), (" false", False), (False, False)])
def test_booleans_are_parsed(value: Any, expected: bool) -> None:
    assert parse_bool("dry_run", value) is expected


@pytest.mark.parametrize("value", [None, "", "None", 1, 0, "yes", "1"])
def test_other_values_are_not_booleans(value: Any) -> None:
    with pytest.raises(WriftAIError, match="dry_run must be true or false"):
        parse_bool("dry_run", value)


@pytest.mark.parametrize(("value", "expected"), [(timedelta(days=3), timedelta(days=3)), ("3d", timedelta(days=3))])
def test_durations_are_parsed(value: Any, expected: timedelta) -> None:
    assert parse_duration("older_than", value) == expected


@pytest.mark.parametrize("value", [3, True, "3", "6m", "P6M", ["3d"], None, "None", "", "9" * 5000 + "d"])
def test_other_values_are_not_durations(value: Any) -> None:
    with pytest.raises(WriftAIError):
        parse_duration("older_than", value)


def test_a_choice_must_be_one_of_the_allowed_values() -> None:
    assert parse_choice("if_exists", "reuse", ("reuse", "fail")) == "reuse"
    for value in ("Reuse", None, 1, ""):
        with pytest.raises(WriftAIError, match="if_exists must be one of 'reuse', 'fail'"):
            parse_choice("if_exists", value, ("reuse", "fail"))
