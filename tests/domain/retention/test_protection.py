from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from airflow_provider_wriftai.client.references import ModelReference
from airflow_provider_wriftai.domain.retention.errors import InvalidPolicyError, UnplannableError
from airflow_provider_wriftai.domain.retention.listed import Listed
from airflow_provider_wriftai.domain.retention.protection import Protection

MODEL = ModelReference("acme", "det")
DIGEST = "sha256:" + "ab" * 32
OTHER = "sha256:" + "cd" * 32
BORN = datetime(2026, 1, 1, tzinfo=UTC)


def _numbered(number: int, notes: str | None = "x", digest: str | None = None) -> Listed:
    return Listed(f"acme/det:{number}", number, BORN, notes, digest)


def _named(version_id: str) -> Listed:
    return Listed(version_id, None, BORN, "x", None)


@pytest.mark.parametrize(
    ("named", "numbers", "ids", "digests"),
    [
        (7, {7}, set(), set()),
        ("7", {7}, set(), set()),
        (" acme/det:7 ", {7}, set(), set()),
        ({"reference": "acme/det:7", "release_notes": "as a task returned it"}, {7}, set(), set()),
        ("5b1f0c8e-0000-4000-8000-000000000000", set(), {"5b1f0c8e-0000-4000-8000-000000000000"}, set()),
        ({"reference": "some-id"}, set(), {"some-id"}, set()),
        (DIGEST, set(), set(), {DIGEST}),
        (f"registry.example/acme/det@{DIGEST}", set(), set(), {DIGEST}),
    ],
)
def test_what_can_be_named(named: Any, numbers: set[int], ids: set[str], digests: set[str]) -> None:
    protection = Protection.read(MODEL, [named])
    assert (protection.versions.numbers, protection.versions.ids, protection.digests) == (numbers, ids, digests)


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("acme/other:7", "another model than acme/det"),
        ({"reference": "other/det:7"}, "another model"),
        ("acme/det", "names no version and no image"),
        ("acme/det:0", "names no version"),
        ("sha256:" + "AB" * 32, "names no version"),
        ("registry.example/acme/det:latest@sha256:12", "names no version"),
        ("", "expected a version's reference"),
        ("None", "expected a version's reference"),
        (None, "expected a version's reference"),
        (True, "expected a version's reference"),
        (0, "expected a version's reference"),
        (-3, "expected a version's reference"),
        (1.5, "expected a version's reference"),
        ({}, "expected a version's reference"),
        ({"reference": None}, "expected a version's reference"),
        (["acme/det:7"], "expected a version's reference"),
        ("('a', 'b')", "written out as text"),
        ("{'a'}", "written out as text"),
        ("'5b1f0c8e'", "written out as text"),
        ("a; b", "written out as text"),
        ("x" * 5000, "x…', which names no version"),
    ],
)
def test_what_cannot_be_meant(named: Any, said: str) -> None:
    with pytest.raises(InvalidPolicyError, match=said):
        Protection.read(MODEL, [named])


@pytest.mark.parametrize("pattern", ["(", "a{99999999999999999999}", "[z-a]"])
def test_a_pattern_that_is_none(pattern: str) -> None:
    with pytest.raises(InvalidPolicyError, match="no regular expression"):
        Protection.read(MODEL, [], pattern)


def test_names_of_the_other_kind_decide_nothing() -> None:
    with pytest.raises(UnplannableError, match="protected by number, but the service names them by id"):
        Protection.read(MODEL, [7]).missing([_named("a")])
    with pytest.raises(UnplannableError, match="protected by id, but the service names them by number"):
        Protection.read(MODEL, ["some-id"]).missing([_numbered(7)])
    assert Protection.read(MODEL, [7]).missing([]) == ["7"]


def test_what_is_protected_and_not_there_is_told() -> None:
    protection = Protection.read(MODEL, [7, 8, DIGEST])
    assert protection.missing([_numbered(7)]) == ["8"]
    assert protection.missing([_numbered(7, digest=OTHER)]) == ["8", DIGEST]
    assert protection.missing([_numbered(7), _numbered(8, digest=DIGEST)]) == []


def test_ids_are_the_same_in_whatever_case() -> None:
    protection = Protection.read(MODEL, ["5B1F0C8E-0000"])
    assert protection.reason_for(_named("5b1f0c8e-0000")) == "protected by name"


def test_reasons() -> None:
    protection = Protection.read(MODEL, [7, DIGEST], "^release")
    assert protection.reason_for(_numbered(7)) == "protected by name"
    assert protection.reason_for(_numbered(8, digest=DIGEST)) == f"protected: its image is {DIGEST}"
    assert protection.reason_for(_numbered(8, "release 1")) == "protected: its release notes match '^release'"
    assert "does not tell its release notes" in str(protection.reason_for(_numbered(8, None)))
    assert protection.reason_for(_numbered(8, "a release")) is None
    assert protection.needs_image_of(_numbered(8))
    assert not protection.needs_image_of(_numbered(8, digest="sha256:" + "cd" * 32))
    assert not Protection().needs_image_of(_numbered(8))
