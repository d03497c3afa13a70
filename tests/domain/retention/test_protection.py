from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from airflow_provider_wriftai.client.references import ModelReference, VersionId, VersionNumber
from airflow_provider_wriftai.client.version import VersionRecord
from airflow_provider_wriftai.domain.patterns import InvalidPatternError
from airflow_provider_wriftai.domain.retention.errors import InvalidPolicyError
from airflow_provider_wriftai.domain.retention.protection import Protection
from airflow_provider_wriftai.domain.search import Match

MODEL = ModelReference("acme", "det")
DIGEST = "sha256:" + "ab" * 32
OTHER = "sha256:" + "cd" * 32
CREATED = datetime(2026, 1, 1, tzinfo=UTC)


def _version(number: int, notes: str | None = "x", digest: str | None = None) -> VersionRecord:
    return VersionRecord(VersionNumber(MODEL, number), CREATED, notes, digest)


def _version_with_id(version_id: str) -> VersionRecord:
    return VersionRecord(VersionId(version_id), CREATED, "x", None)


@pytest.mark.parametrize(
    ("value", "numbers", "ids", "digests"),
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
def test_versions_and_images_can_be_named(value: Any, numbers: set[int], ids: set[str], digests: set[str]) -> None:
    protection = Protection.read(MODEL, [value])
    assert [set(protection.versions.numbers), set(protection.versions.ids), set(protection.digests)] == [
        numbers,
        ids,
        digests,
    ]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("acme/other:7", "another model than acme/det"),
        ({"reference": "other/det:7"}, "another model"),
        ("acme/det", "names neither a version nor an image"),
        ("acme/det:0", "names neither a version"),
        ("sha256:" + "AB" * 32, "names neither a version"),
        ("registry.example/acme/det:latest@sha256:12", "names neither a version"),
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
        ("x" * 5000, "x…', which names neither a version"),
    ],
)
def test_an_invalid_name_is_refused(value: Any, message: str) -> None:
    with pytest.raises(InvalidPolicyError, match=message):
        Protection.read(MODEL, [value])


@pytest.mark.parametrize("pattern", ["(", "a{99999999999999999999}", "[z-a]"])
def test_an_invalid_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(InvalidPatternError, match="must be a regular expression"):
        Protection.read(MODEL, [], pattern)


def test_names_of_the_other_kind_are_refused() -> None:
    with pytest.raises(InvalidPolicyError, match="protected by number, such as 7, but the service names them by id"):
        Protection.read(MODEL, [7]).check_names([_version_with_id("a")])
    with pytest.raises(
        InvalidPolicyError, match="protected by id, such as 'some-id', but the service names them by number"
    ):
        Protection.read(MODEL, ["some-id"]).check_names([_version(7)])
    assert Protection.read(MODEL, [7]).unmatched([]) == ["version 7"]


def test_a_protection_that_matches_nothing_is_reported() -> None:
    protection = Protection.read(MODEL, [7, 8, DIGEST], "^release")
    notes = "protect_release_notes '^release'"
    # An unknown image may be the protected one.
    assert protection.unmatched([_version(7)]) == ["version 8", notes]
    assert protection.unmatched_digests([_version(7)]) == [DIGEST]
    assert protection.unmatched([_version(7, digest=OTHER)]) == ["version 8", f"image {DIGEST}", notes]
    assert protection.unmatched([_version(7, "release 1"), _version(8, digest=DIGEST)]) == []
    # Unknown release notes may match.
    assert protection.unmatched([_version(7, None), _version(8, digest=DIGEST)]) == []


def test_ids_are_compared_without_regard_to_case() -> None:
    protection = Protection.read(MODEL, ["5B1F0C8E-0000"])
    assert protection.match(_version_with_id("5b1f0c8e-0000")) == (Match.YES, "protected by name")


def test_every_match_has_a_reason() -> None:
    protection = Protection.read(MODEL, [7, DIGEST], "^release")
    assert protection.match(_version(7)) == (Match.YES, "protected by name")
    assert protection.match(_version(8, digest=DIGEST)) == (Match.YES, f"protected: its image is {DIGEST}")
    notes = (Match.YES, "protected: its release notes match '^release'")
    assert protection.match(_version(8, "release 1")) == notes
    assert "does not return its release notes" in protection.match(_version(8, None))[1]
    assert protection.match(_version(8, "a release"))[0] is Match.UNKNOWN
    assert protection.match(_version(8, digest=OTHER))[0] is Match.NO
    assert Protection().match(_version(8))[0] is Match.NO
