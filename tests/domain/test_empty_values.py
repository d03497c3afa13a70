"""The hint about values that were rendered to nothing, in the messages that have it."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_wriftai.domain.empty_values import explain_empty, is_empty
from airflow_provider_wriftai.domain.images.errors import InvalidImageError
from airflow_provider_wriftai.domain.images.read import read_image
from airflow_provider_wriftai.domain.publishing.errors import PreflightError
from airflow_provider_wriftai.domain.publishing.preflight import check_new_version
from airflow_provider_wriftai.domain.waiting.criteria import read_newer_than
from airflow_provider_wriftai.domain.waiting.errors import InvalidCriteriaError

NOTHING = (None, "None", "", " ")
HINT = " The template or task rendered to an empty value."


@pytest.mark.parametrize("value", ["none", 0, False, [], {}, "x"])
def test_other_values_have_no_hint(value: object) -> None:
    assert not is_empty(value)
    assert explain_empty(value) == ""


@pytest.mark.parametrize("value", NOTHING)
def test_an_empty_image_and_an_empty_newer_than_are_explained(value: Any) -> None:
    with pytest.raises(InvalidImageError) as image:
        read_image(value)
    with pytest.raises(InvalidCriteriaError) as newer_than:
        read_newer_than(None, value)
    assert str(image.value).endswith(f".{HINT}")
    assert str(newer_than.value).endswith(f".{HINT}")


@pytest.mark.parametrize("value", NOTHING)
def test_each_empty_parameter_of_a_version_is_explained(value: Any) -> None:
    with pytest.raises(PreflightError) as caught:
        check_new_version(value, value, "", value)
    assert [problem.partition(":")[0] for problem in caught.value.problems] == ["model", "image", "schemas"]
    assert all(problem.endswith(f".{HINT}") for problem in caught.value.problems)


def test_a_text_that_is_not_a_path_is_quoted_as_it_was_written() -> None:
    with pytest.raises(InvalidImageError, match="'file:///x/y' is neither"):
        read_image("file:///x/y")
