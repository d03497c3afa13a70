from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from airflow_provider_wriftai.assets.events import version_of
from airflow_provider_wriftai.assets.models import model_asset
from airflow_provider_wriftai.client.references import parse_version
from airflow_provider_wriftai.client.version import VersionRecord
from airflow_provider_wriftai.domain.results import version_result


@dataclass
class Event:
    extra: Any
    asset: Any = None


RECORD = VersionRecord.parse(
    parse_version("acme/det:7"),
    {
        "release_notes": "release 7",
        "created_at": "2026-01-01T00:00:00+00:00",
        "container_image_digest": "sha256:" + "ab" * 32,
        "size": 12,
        "schemas": {"prediction": {}},
    },
)


def test_both_kinds_of_event_have_one_shape() -> None:
    fields = version_result(RECORD, model="acme/det", outcome="created")
    by_a_task = version_of(Event(fields))
    by_a_watcher = version_of(Event({"from_trigger": True, "payload": fields}))
    assert by_a_task == by_a_watcher
    assert by_a_task == {
        "model": "acme/det",
        "reference": "acme/det:7",
        "outcome": "created",
        "number": 7,
        "release_notes": "release 7",
        "created_at": "2026-01-01T00:00:00+00:00",
        "container_image_digest": "sha256:" + "ab" * 32,
        "size": 12,
    }


def test_fields_that_airflow_or_others_add_are_left_out() -> None:
    version = version_of(Event({"reference": "acme/det:7", "schemas": {"__id__": 1}, "x": 1, "number": None}))
    assert version == {"model": "acme/det", "reference": "acme/det:7", "outcome": "published"}


def test_the_model_is_that_of_the_asset_if_the_version_has_only_an_id() -> None:
    version = version_of(Event({"reference": "6f1d", "outcome": "reused"}, model_asset("acme/det")))
    assert version == {"model": "acme/det", "reference": "6f1d", "outcome": "reused"}


@pytest.mark.parametrize("extra", [None, {}, {"payload": None}, {"payload": {"number": 7}}, {"reference": 7}, "x"])
def test_an_event_without_a_version_is_refused(extra: Any) -> None:
    with pytest.raises(ValueError, match="not about a version"):
        version_of(Event(extra))
