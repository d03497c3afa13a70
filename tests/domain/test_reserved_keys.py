"""The keys of Airflow's serialization: where they are, and that they are all there."""

from __future__ import annotations

import functools
import importlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_wriftai.domain.reserved_keys import RESERVED_KEYS, find_reserved_key

keys = st.sampled_from(["a", "b", *sorted(RESERVED_KEYS)])
json_values = st.recursive(
    st.none() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=10,
)


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({}, None),
        ({"a": ["__id__", {"b": "__type"}]}, None),
        ({"__id__": 1}, ("__id__",)),
        ({"a": [{"b": 1}, {"__type": {"__var": 1}}]}, ("a", 1, "__type")),
        ({1: {"__var": 1}}, (1, "__var")),
    ],
)
def test_the_first_reserved_key_is_found_with_its_path(value: Any, path: tuple[object, ...] | None) -> None:
    assert find_reserved_key(value) == path


def test_depth_does_not_matter() -> None:
    innermost: Any = {"__id__": 1}
    value = functools.reduce(lambda inner, _: [inner], range(100_000), innermost)
    assert find_reserved_key(value) == (*([0] * 100_000), "__id__")


@given(json_values)
def test_a_path_leads_to_a_reserved_key_and_without_a_path_there_is_none(value: Any) -> None:
    path = find_reserved_key(value)
    assert (path is None) == (not any(f"'{key}':" in repr(value) for key in RESERVED_KEYS))
    if path is not None:
        holder = functools.reduce(lambda inner, segment: inner[segment], path[:-1], value)
        assert path[-1] in RESERVED_KEYS
        assert path[-1] in holder


def test_airflow_has_no_others_that_change_what_is_read() -> None:
    try:
        serde = importlib.import_module("airflow.sdk.serde")
    except ImportError:
        serde = importlib.import_module("airflow.serialization.serde")
    names = ("CLASSNAME", "VERSION", "DATA", "SCHEMA_ID", "OLD_TYPE", "OLD_DATA")
    assert {getattr(serde, name) for name in names} == RESERVED_KEYS
