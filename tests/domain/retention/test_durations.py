from __future__ import annotations

from datetime import timedelta

import pytest

from airflow_provider_wriftai.domain.retention.durations import format_age, is_omitted, parse_duration
from airflow_provider_wriftai.domain.retention.errors import InvalidPolicyError


@pytest.mark.parametrize(
    ("text", "age"),
    [
        ("30d", timedelta(days=30)),
        (" 2w ", timedelta(weeks=2)),
        ("36h", timedelta(hours=36)),
        ("90min", timedelta(minutes=90)),
        ("45s", timedelta(seconds=45)),
        ("7 d", timedelta(days=7)),
        ("P30D", timedelta(days=30)),
        ("P2W", timedelta(weeks=2)),
        ("PT36H", timedelta(hours=36)),
        ("P1DT12H30M5S", timedelta(days=1, hours=12, minutes=30, seconds=5)),
        ("PT90M", timedelta(minutes=90)),
    ],
)
def test_durations_are_parsed(text: str, age: timedelta) -> None:
    assert parse_duration(text) == age


@pytest.mark.parametrize(
    "text",
    [
        "",
        "30",
        "d",
        "-30d",
        "1.5d",
        "30 days",
        "30D",
        "1d12h",
        "9" * 20 + "w",
        "٣d",
        "P",
        "PT",
        "P1DT",
        "-P1D",
        "P1.5D",
        "PT1D",
        "none",
        "None",
    ],
)
def test_other_texts_are_not_durations(text: str) -> None:
    with pytest.raises(InvalidPolicyError):
        parse_duration(text)


@pytest.mark.parametrize("text", ["6m", "6 m", "6M", "90m"])
def test_a_bare_m_is_ambiguous(text: str) -> None:
    with pytest.raises(InvalidPolicyError, match=r"'m' could mean minutes or months. Write '90min' for minutes"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["P6M", "P1Y", "P1Y2M3DT4H", "P1M1D", "2y"])
def test_months_and_years_have_no_fixed_length(text: str) -> None:
    with pytest.raises(InvalidPolicyError, match="no fixed length"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["999999999999w", "P999999999999D"])
def test_a_duration_that_no_timedelta_can_hold_is_refused(text: str) -> None:
    with pytest.raises(InvalidPolicyError, match="too long"):
        parse_duration(text)


def test_only_the_text_none_omits_a_criterion() -> None:
    assert [is_omitted(value) for value in ("none", " none ")] == [True, True]
    others: list[object] = [None, "None", "", "null", "NONE", 0, [], "none,none"]
    assert not any(map(is_omitted, others))


@pytest.mark.parametrize(
    ("age", "text"),
    [
        (timedelta(seconds=59), "59s"),
        (timedelta(minutes=90), "1.5h"),
        (timedelta(minutes=30), "30min"),
        (timedelta(days=30), "30d"),
        (timedelta(days=-2), "-2d"),
    ],
)
def test_ages_are_formatted(age: timedelta, text: str) -> None:
    assert format_age(age) == text
