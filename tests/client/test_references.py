from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_wriftai.client.errors import InvalidReferenceError
from airflow_provider_wriftai.client.references import ModelReference, VersionId, VersionNumber, parse_version

segments = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._~-]{0,30}", fullmatch=True)


@given(segments, segments, st.integers(1, 10**17))
def test_a_reference_can_be_parsed_from_its_text(owner: str, name: str, number: int) -> None:
    reference = VersionNumber(ModelReference(owner, name), number)
    assert parse_version(str(reference)) == reference
    assert ModelReference.parse(str(reference.model)) == reference.model


def test_an_id_is_a_version_of_generation_1() -> None:
    assert parse_version("0b61c1f4-4a5c-4f0e-9d42-2f7f7f0f8d0a") == VersionId("0b61c1f4-4a5c-4f0e-9d42-2f7f7f0f8d0a")


@pytest.mark.parametrize(
    "text",
    ["", " ", "..", ".", "a b", "a\nb", "a\x00b", "acme/det", "acme/det:", "acme/det:0", "acme/det:-1", "acme/det:01",
     "acme/det:1\n", "acme/det:x", "acme/det:1:2", "/det:1", "acme/:1", "../det:1", "acme/..:1", "a/b/c:1", "a%2fb:1",
     "det:1", "id?x=1", "id#x", "%2e%2e", "a\\b", "acme/det:١"],
)  # fmt: skip
def test_an_invalid_version_reference_is_refused(text: str) -> None:
    with pytest.raises(InvalidReferenceError):
        parse_version(text)


@pytest.mark.parametrize("text", ["", "acme", "acme/", "/det", "acme/det/x", "acme/det:1", "acme/..", "acme /det"])
def test_an_invalid_model_reference_is_refused(text: str) -> None:
    with pytest.raises(InvalidReferenceError):
        ModelReference.parse(text)


@pytest.mark.parametrize("value", [None, 7, b"acme/det"])
def test_a_reference_is_a_string(value: object) -> None:
    with pytest.raises(InvalidReferenceError, match="string"):
        parse_version(value)  # type: ignore[arg-type]
    with pytest.raises(InvalidReferenceError, match="string"):
        ModelReference.parse(value)  # type: ignore[arg-type]
