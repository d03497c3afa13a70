from __future__ import annotations

import logging
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_wriftai.client.references import ModelReference, VersionId, VersionNumber
from airflow_provider_wriftai.client.version import VersionRecord
from airflow_provider_wriftai.client.versions import CreateVersionParams
from airflow_provider_wriftai.domain.publishing.comparison import age_order, has_release_notes, report_differences

MODEL = ModelReference("acme", "det")
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("reported", "requested", "same"),
    [
        ("new", "new", True),
        ("new notes", " new\n notes\n", True),
        ("", " ", True),
        ("newnotes", "new notes", False),
        ("New", "new", False),
        (None, "", False),
    ],
)
def test_release_notes_are_compared_without_regard_to_white_space(
    reported: str | None, requested: str, same: bool
) -> None:
    assert has_release_notes(VersionRecord(VersionId("x"), release_notes=reported), requested) is same


SCHEMAS: Any = {"prediction": {"input": {"type": "object"}, "output": {}}}
PARAMS: CreateVersionParams = {
    "release_notes": "new",
    "schemas": SCHEMAS,
    "container_image_digest": "sha256:" + "ab" * 32,
}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"release_notes": "new"}, ""),
        ({"schemas": SCHEMAS}, ""),
        # What a service adds is not a difference.
        ({"schemas": {**SCHEMAS, "webhook": {}}}, ""),
        ({"configuration": {"hardware_identifier": "cpu"}}, ""),
        (
            {"schemas": {"prediction": {"input": {}, "output": {}}}},
            "differs from what was requested in schemas.",
        ),
        ({"schemas": None}, "differs from what was requested in schemas."),
        (
            {"release_notes": "x", "schemas": {}},
            "differs from what was requested in release_notes, schemas.",
        ),
    ],
)
def test_differences_are_logged(caplog: pytest.LogCaptureFixture, body: dict[str, Any], message: str) -> None:
    version = VersionRecord.parse(VersionNumber(MODEL, 7), body)
    report_differences(version, PARAMS, is_own=True)
    assert [record.getMessage() for record in caplog.records] == (
        [f"acme/det:7 {message} Versions never change."] if message else []
    )


def test_release_notes_of_another_task_cause_no_warning(caplog: pytest.LogCaptureFixture) -> None:
    version = VersionRecord.parse(VersionNumber(MODEL, 7), {"release_notes": "x"})
    with caplog.at_level(logging.INFO):
        report_differences(version, PARAMS, is_own=False)
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("INFO", "The release notes of acme/det:7 differ from those of this task. Versions never change.")
    ]


@given(st.randoms(use_true_random=False))
def test_all_tasks_agree_which_version_is_the_oldest(order: random.Random) -> None:
    """Numbers decide. Without numbers, times decide, and without times, the references."""
    numbered = [VersionRecord(VersionNumber(MODEL, number)) for number in (9, 10, 100)]
    timed = [VersionRecord(VersionId(name), BEGAN + timedelta(seconds=n)) for n, name in enumerate("cab")]
    same_time = [VersionRecord(VersionId(name), BEGAN) for name in "abc"]
    untimed = [*same_time[:1], *(VersionRecord(VersionId(name)) for name in "bc")]
    for expected in (numbered, timed, same_time, untimed):
        assert sorted(order.sample(expected, len(expected)), key=age_order) == expected
