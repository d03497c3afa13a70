from __future__ import annotations

from datetime import timedelta

import pytest

from airflow_provider_wriftai.domain.retention.durations import format_age, parse_duration
from airflow_provider_wriftai.domain.retention.errors import InvalidPolicyError


@pytest.mark.parametrize(
    ("text", "age"),
    [
        ("30d", timedelta(days=30)),
        (" 2w ", timedelta(weeks=2)),
        ("36h", timedelta(hours=36)),
        ("90m", timedelta(minutes=90)),
        ("45s", timedelta(seconds=45)),
        ("7 d", timedelta(days=7)),
    ],
)
def test_ages(text: str, age: timedelta) -> None:
    assert parse_duration(text) == age


@pytest.mark.parametrize("text", ["", "30", "d", "-30d", "1.5d", "30 days", "30D", "1d12h", "9" * 20 + "w", "٣d"])
def test_no_ages(text: str) -> None:
    with pytest.raises(InvalidPolicyError):
        parse_duration(text)


@pytest.mark.parametrize(
    ("age", "words"),
    [
        (timedelta(seconds=59), "59s"),
        (timedelta(minutes=90), "1.5h"),
        (timedelta(days=30), "30d"),
        (timedelta(days=-2), "-2d"),
    ],
)
def test_ages_in_words(age: timedelta, words: str) -> None:
    assert format_age(age) == words
