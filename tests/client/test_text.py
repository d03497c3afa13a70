from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_wriftai.client.text import escape, format_count, join_limited, truncated_repr

FORGED = "x\n[2026-01-01] INFO - Created acme/m:99\r\x1b[31m\u202e::group::\u2028\x00\x85"


@pytest.mark.parametrize("show", [escape, truncated_repr])
@given(text=st.text(alphabet=st.characters(codec=None), max_size=700) | st.just(FORGED))
def test_foreign_text_stays_on_one_line_and_controls_nothing(show: Any, text: str) -> None:
    shown = show(text)
    assert shown.isprintable()
    assert shown.splitlines() in ([shown], [])
    assert "::" not in shown
    assert len(shown) <= 8 * 500


@given(st.text(max_size=40).filter(lambda text: text.isprintable() and "::" not in text))
def test_harmless_text_is_left_alone(text: str) -> None:
    assert escape(text) == " ".join(text.split())
    assert truncated_repr(text) == repr(text)


def test_long_text_is_truncated() -> None:
    assert escape("x" * 1000) == "x" * 499 + "…"
    assert escape("x" * 1000, 10) == "x" * 9 + "…"
    assert truncated_repr("x" * 1000) == repr("x" * 60 + "…")
    assert len(truncated_repr(list(range(1000)))) <= 65


class Broken:
    def __repr__(self) -> str:
        raise OSError


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (Broken(), "a Broken that cannot be written out"),
        (b"x" * 100, repr(b"x" * 60) + "…"),
        (None, "None"),
        (7, "7"),
    ],
)
def test_any_value_can_be_shown(value: object, shown: str) -> None:
    assert truncated_repr(value) == shown


def test_a_number_of_thousands_of_digits_can_be_shown() -> None:
    assert truncated_repr(10**5000) == "an int of 16610 bits"


def test_counts_agree_with_their_nouns() -> None:
    assert [format_count(count, "version") for count in (0, 1, 2)] == ["0 versions", "1 version", "2 versions"]


def test_the_rest_of_a_long_list_is_counted() -> None:
    assert join_limited(["a", "b", "c"], most=2) == "\n  - a\n  - b\n  - … and 1 more"
    assert join_limited([]) == ""
