"""Objects as text: JSON, JSON in quotes, and a dict as a template renders it."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_wriftai.domain.object_text import UnreadableObjectError, parse_value

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
objects = st.dictionaries(st.text(), json_values)


@given(objects)
def test_json_is_parsed_with_and_without_quotes(value: dict[str, Any]) -> None:
    text = json.dumps(value)
    assert parse_value(text) == parse_value(json.dumps(text)) == parse_value(f"\ufeff {text}\n") == value


@given(objects.filter(lambda value: "'" in repr(value)))
def test_a_rendered_dict_is_parsed(value: dict[str, Any]) -> None:
    assert parse_value(str(value)) == value


@pytest.mark.parametrize(
    "text",
    ["", "x", "{", "{'a': (1,)}", "{'a': {1}}", "{'a': b''}", "{'a': 1j}", "{'a': x}", "{'a': " * 10_000, "['a'] * 9",
     "{'a': __import__('os')}", '{"a":' * 100_000],
)  # fmt: skip
def test_unreadable_text_is_refused(text: str) -> None:
    with pytest.raises(UnreadableObjectError):
        parse_value(text)


def test_text_that_is_quoted_more_often_stays_text() -> None:
    text = "{}"
    for _ in range(5):
        text = json.dumps(text)
    assert isinstance(parse_value(text), str)


@given(st.text())
def test_any_text_is_parsed_or_refused(text: str) -> None:
    for each in (text, f"{{'{text}", f'"{text}', f"['{text}']"):
        with contextlib.suppress(UnreadableObjectError):
            parse_value(each)
