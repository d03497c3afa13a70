from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from airflow_provider_wriftai.client.references import ModelReference, VersionId, VersionNumber
from airflow_provider_wriftai.client.version import VersionRecord

DIGEST = "sha256:" + "ab" * 32
NUMBER = VersionNumber(ModelReference("acme", "det"), 7)


def test_a_response_is_parsed_into_a_version() -> None:
    body = {
        "number": 7,
        "release_notes": "x",
        "created_at": "2026-01-02T03:04:05Z",
        "container_image_digest": DIGEST,
        "schemas": {},
    }
    version = VersionRecord.parse(NUMBER, body)
    assert (version.number, version.release_notes, version.digest) == (7, "x", DIGEST)
    assert version.created_at == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert version.has_schemas
    assert version.to_typed_dict() == {**body, "reference": "acme/det:7"}


@pytest.mark.parametrize(
    "digest", [None, "", 7, "sha256:abc", DIGEST.upper(), f"registry.example/x@{DIGEST}", DIGEST + "\n", ["x"]]
)
def test_an_invalid_digest_is_unknown(digest: Any) -> None:
    assert VersionRecord.parse(NUMBER, {"container_image_digest": digest}).digest is None


@pytest.mark.parametrize("created_at", [None, "", 7, "yesterday", "2026-01-02T03:04:05"])
def test_an_invalid_time_is_unknown(created_at: Any) -> None:
    assert VersionRecord.parse(NUMBER, {"created_at": created_at}).created_at is None


def test_details_complete_a_list_item() -> None:
    listed = VersionRecord.parse(NUMBER, {"release_notes": ""})
    details = VersionRecord.parse(NUMBER, {"release_notes": "other", "container_image_digest": DIGEST, "schemas": {}})
    merged = listed.merge(details)
    assert (merged.release_notes, merged.digest, merged.has_schemas) == ("", DIGEST, True)
    assert merged.without_body().has_schemas is False
    assert merged.without_body() == merged


def test_a_version_by_id_has_no_number() -> None:
    assert VersionRecord(VersionId("a-b-c")).number is None
