"""The result of a publish is stored."""

from __future__ import annotations

import pytest

from airflow_provider_wriftai.client.references import ModelReference
from airflow_provider_wriftai.client.versions import CreateVersionParams
from tests.support.publishing import JsonStateStore, Network, Publish, someone_else_publishes
from tests.support.sandbox import Sandbox


def test_a_version_that_was_reused_is_remembered_too(
    sandbox: Sandbox, publish_it: Publish, model: ModelReference, params: CreateVersionParams, state: JsonStateStore
) -> None:
    publish_it()
    assert publish_it(state=state).outcome == "reused"
    for number in range(12):
        someone_else_publishes(sandbox, model, params, container_image_digest=f"sha256:{number:064x}")
    assert publish_it(state=state, is_retry=True).outcome == "remembered"


def test_a_version_that_cannot_be_stored_is_returned_all_the_same(
    publish_it: Publish, state: JsonStateStore, network: Network, caplog: pytest.LogCaptureFixture
) -> None:
    state.fails_after = 1
    first = publish_it(state=state)
    assert first.outcome == "created"
    assert "Cannot store that this task published" in caplog.text
    state.fails_after = 1_000
    again = publish_it(state=state, is_retry=True)
    assert (again.outcome, str(again.version.reference)) == ("adopted", str(first.version.reference))
    assert network.posts == 1
