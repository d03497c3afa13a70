from __future__ import annotations

from datetime import timedelta

import pytest

from airflow_provider_wriftai.retention.ages import in_words, read_age
from airflow_provider_wriftai.retention.errors import InvalidPolicyError


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
    assert read_age(text) == age


@pytest.mark.parametrize("text", ["", "30", "d", "-30d", "1.5d", "30 days", "30D", "1d12h", "9" * 20 + "w", "٣d"])
def test_no_ages(text: str) -> None:
    with pytest.raises(InvalidPolicyError):
        read_age(text)


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
    assert in_words(age) == words
