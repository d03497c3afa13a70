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
def test_whole_numbers(value: Any, number: int | None) -> None:
    assert parse_int("keep_last", value) == number


@pytest.mark.parametrize(
    "value", [True, 5.0, "5.0", "five", "5,000", [5], "--5", "-", "²", None, "None", "", "9" * 5000]
)
def test_no_whole_numbers(value: Any) -> None:
    with pytest.raises(WriftAIError, match="keep_last must be an integer"):
        parse_int("keep_last", value)


@pytest.mark.parametrize(("value", "read"), [(True, True), ("True", True), (" false", False), (False, False)])
def test_flags(value: Any, read: bool) -> None:
    assert parse_bool("dry_run", value) is read


@pytest.mark.parametrize("value", [None, "", "None", 1, 0, "yes", "1"])
def test_no_flags(value: Any) -> None:
    with pytest.raises(WriftAIError, match="dry_run must be true or false"):
        parse_bool("dry_run", value)


@pytest.mark.parametrize(("value", "read"), [(timedelta(days=3), timedelta(days=3)), ("3d", timedelta(days=3))])
def test_ages(value: Any, read: timedelta | None) -> None:
    assert parse_duration("older_than", value) == read


@pytest.mark.parametrize("value", [3, True, "3", "6m", "P6M", ["3d"], None, "None", "", "9" * 5000 + "d"])
def test_no_ages(value: Any) -> None:
    with pytest.raises(WriftAIError):
        parse_duration("older_than", value)


def test_words() -> None:
    assert parse_choice("if_exists", "reuse", ("reuse", "fail")) == "reuse"
    for value in ("Reuse", None, 1, ""):
        with pytest.raises(WriftAIError, match="if_exists must be one of 'reuse', 'fail'"):
            parse_choice("if_exists", value, ("reuse", "fail"))
