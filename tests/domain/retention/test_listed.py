from __future__ import annotations

from datetime import UTC
from typing import Any

import pytest

from airflow_provider_wriftai.domain.retention.errors import UnplannableError
from airflow_provider_wriftai.domain.retention.listed import Listed


@pytest.mark.parametrize(
    "created_at", [None, "", "yesterday", 1764000000, "2026-11-01T12:00:00", "2026-13-01T00:00:00Z"]
)
def test_a_time_that_cannot_be_read_is_told(created_at: Any) -> None:
    broken: Any = {"reference": "acme/det:1", "number": 1, "created_at": created_at}
    with pytest.raises(UnplannableError, match="nothing was deleted"):
        Listed.of(broken)


@pytest.mark.parametrize(
    "created_at", ["2026-10-01T00:00:00Z", "2026-10-01T00:00:00.371093Z", "2026-10-01T02:00:00+02:00"]
)
def test_the_times_that_the_service_writes_are_read(created_at: str) -> None:
    version: Any = {"reference": "acme/det:1", "number": 1, "created_at": created_at}
    assert Listed.of(version).created_at.astimezone(UTC).date().isoformat() == "2026-10-01"


@pytest.mark.parametrize("number", ["10", True, False, 0, -3, 1.5, None])
def test_only_what_names_it_numbers_it(number: Any) -> None:
    version: Any = {"reference": "id-new", "id": "id-new", "number": number, "created_at": "2026-10-02T00:00:00Z"}
    assert Listed.of(version).number is None


@pytest.mark.parametrize("created_at", ["0001-01-01T00:00:00Z", "1970-01-01T00:00:00Z"])
def test_a_time_that_was_never_set_is_told(created_at: str) -> None:
    unset: Any = {"reference": "acme/det:1", "number": 1, "created_at": created_at}
    with pytest.raises(UnplannableError, match="which cannot be"):
        Listed.of(unset)


@pytest.mark.parametrize(
    "digest", ["", "sha256:" + "AB" * 32, "registry.example/det@sha256:" + "ab" * 32, "sha256:" + "ab" * 32 + "\n"]
)
def test_a_digest_in_another_form_is_not_known(digest: str) -> None:
    version: Any = {"reference": "acme/det:1", "created_at": "2026-10-02T00:00:00Z", "container_image_digest": digest}
    assert Listed.of(version).digest is None


@pytest.mark.parametrize("odd", [None, 7, ["x"]])
def test_what_is_no_text_is_not_known(odd: Any) -> None:
    version: Any = {
        "reference": "acme/det:1", "created_at": "2026-10-02T00:00:00Z", "release_notes": odd,
        "container_image_digest": odd,
    }  # fmt: skip
    listed = Listed.of(version)
    assert (listed.number, listed.release_notes, listed.digest) == (1, None, None)
