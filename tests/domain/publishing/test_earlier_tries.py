"""The task is killed or cleared, and tried again."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from airflow_provider_wriftai.client.api import API
from airflow_provider_wriftai.client.references import ModelReference
from airflow_provider_wriftai.client.versions import CreateVersionParams
from airflow_provider_wriftai.domain.publishing.errors import UnresolvedPublishError, VersionDeletedError
from airflow_provider_wriftai.domain.publishing.options import IfExists
from airflow_provider_wriftai.sandbox.faults import Fault, Faults
from tests.support.publishing import (
    MODES,
    RECONCILE_SECONDS,
    JsonStateStore,
    Killed,
    Network,
    Publish,
    Time,
    someone_else_publishes,
)
from tests.support.sandbox import Sandbox


def _publish_until_killed(publish_it: Publish, **keywords: Any) -> None:
    with pytest.raises(Killed):
        publish_it(**keywords)


@pytest.mark.parametrize("if_exists", MODES)
def test_a_task_killed_after_its_create_request_adopts_the_version(
    sandbox: Sandbox, publish_it: Publish, model: ModelReference, network: Network, state: JsonStateStore, time: Time,
    if_exists: IfExists,
) -> None:  # fmt: skip
    network.kill_after_post = True
    _publish_until_killed(publish_it, if_exists=if_exists, state=state)
    network.kill_after_post = False
    assert publish_it(if_exists=if_exists, state=state, is_retry=True).outcome == "adopted"
    assert publish_it(if_exists=if_exists, state=state, is_retry=True).outcome == "remembered"
    assert (network.posts, time.now) == (1, 0)
    assert sandbox.numbers(str(model)) == [3, 2, 1]


@pytest.mark.parametrize("if_exists", MODES)
def test_a_task_killed_before_its_create_request_creates_the_version_later(
    sandbox: Sandbox, publish_it: Publish, model: ModelReference, network: Network, state: JsonStateStore, time: Time,
    if_exists: IfExists,
) -> None:  # fmt: skip
    network.kill_before_post = True
    _publish_until_killed(publish_it, if_exists=if_exists, state=state)
    network.kill_before_post = False
    assert publish_it(if_exists=if_exists, state=state, is_retry=True).outcome == "created"
    # Nobody knows whether the create request was sent, so the service gets the time to execute it.
    assert time.now == pytest.approx(RECONCILE_SECONDS)
    assert sandbox.numbers(str(model)) == [3, 2, 1]


@pytest.mark.parametrize("if_exists", MODES)
def test_a_create_request_that_is_executed_after_its_task_was_killed_is_found(
    sandbox: Sandbox, publish_it: Publish, model: ModelReference, network: Network, state: JsonStateStore, time: Time,
    params: CreateVersionParams, if_exists: IfExists,
) -> None:  # fmt: skip
    network.kill_before_post = True
    _publish_until_killed(publish_it, if_exists=if_exists, state=state)
    network.kill_before_post = False
    time.at(90, lambda: someone_else_publishes(sandbox, model, params))
    assert publish_it(if_exists=if_exists, state=state, is_retry=True).outcome == "adopted"
    assert network.posts == 0


def test_a_version_is_adopted_although_the_notes_differ_from_try_to_try(
    publish_it: Publish, network: Network, state: JsonStateStore, caplog: pytest.LogCaptureFixture
) -> None:
    network.kill_after_post = True
    _publish_until_killed(publish_it, if_exists="create", state=state, params={"release_notes": "try 1"})
    network.kill_after_post = False
    with caplog.at_level(logging.INFO):
        published = publish_it(if_exists="create", state=state, is_retry=True, params={"release_notes": "try 2"})
    assert published.version.release_notes == "try 1"
    assert "differ from those of this task" in caplog.text


@pytest.mark.parametrize("comes_at", [0, 100])
def test_a_killed_task_without_state_finds_its_version_with_reuse(
    sandbox: Sandbox, publish_it: Publish, model: ModelReference, network: Network, time: Time,
    params: CreateVersionParams, comes_at: float,
) -> None:  # fmt: skip
    network.kill_before_post = True
    _publish_until_killed(publish_it)
    network.kill_before_post = False
    time.at(comes_at, lambda: someone_else_publishes(sandbox, model, params))
    time.sleep(0)
    assert publish_it(is_retry=True).outcome == "reused"
    assert network.posts == 0


def test_a_retry_without_state_searches_for_a_while_and_then_creates(
    publish_it: Publish, network: Network, time: Time
) -> None:
    assert publish_it(is_retry=True).outcome == "created"
    assert (network.posts, time.now) == (1, RECONCILE_SECONDS)


@pytest.mark.parametrize("if_exists", MODES)
def test_a_cleared_task_returns_its_version_while_it_exists(
    sandbox: Sandbox,
    publish_it: Publish,
    model: ModelReference,
    state: JsonStateStore,
    network: Network,
    if_exists: IfExists,
) -> None:
    first = publish_it(if_exists=if_exists, state=state)
    again = publish_it(if_exists=if_exists, state=state, is_retry=True)
    assert (again.outcome, str(again.version.reference)) == ("remembered", str(first.version.reference))
    sandbox.delete(str(model), 3)
    with pytest.raises(VersionDeletedError, match="deleted since") as caught:
        publish_it(if_exists=if_exists, state=state, is_retry=True)
    assert (caught.value.reference, caught.value.retryable) == (str(first.version.reference), False)
    assert sandbox.numbers(str(model)) == [2, 1]
    assert publish_it(if_exists=if_exists).outcome == "created", "without state, it is published again"
    assert network.posts == 2


def test_a_remembered_version_that_responds_with_404_is_fetched_again(
    sandbox: Sandbox, publish_it: Publish, model: ModelReference, state: JsonStateStore, faults: Faults
) -> None:
    publish_it(state=state)
    faults.add([Fault(method="GET", execute="never", status=404, times=2)])
    assert publish_it(state=state, is_retry=True).outcome == "remembered"
    assert sandbox.numbers(str(model)) == [3, 2, 1]


@pytest.mark.parametrize("status", [401, 503])
def test_a_remembered_version_is_named_if_it_cannot_be_fetched(
    publish_it: Publish, state: JsonStateStore, faults: Faults, status: int
) -> None:
    reference = str(publish_it(state=state).version.reference)
    faults.add([Fault(method="GET", execute="never", status=status)])
    with pytest.raises(UnresolvedPublishError, match=f"ended with {reference}, and fetching it failed") as caught:
        publish_it(state=state, is_retry=True)
    assert caught.value.retryable is (status == 503)


def test_another_image_is_another_publication(
    publish_it: Publish, state: JsonStateStore, time: Time, caplog: pytest.LogCaptureFixture
) -> None:
    publish_it(state=state)
    with caplog.at_level(logging.INFO):
        other = publish_it(state=state, is_retry=True, params={"container_image_digest": f"sha256:{7:064x}"})
    assert (other.outcome, time.now) == ("created", 0)
    assert "another image or model" in caplog.text


def _move_to_another_service(state: JsonStateStore, api: API) -> None:
    assert state.text is not None
    assert api.base_url in state.text
    state.text = state.text.replace(api.base_url, "https://staging.example/v1")


@pytest.mark.parametrize("if_exists", MODES)
def test_a_version_of_another_service_is_not_remembered(
    sandbox: Sandbox, publish_it: Publish, api: API, model: ModelReference, state: JsonStateStore,
    caplog: pytest.LogCaptureFixture, if_exists: IfExists,
) -> None:  # fmt: skip
    publish_it(if_exists=if_exists, state=state)
    _move_to_another_service(state, api)
    sandbox.delete(str(model), 3)
    with caplog.at_level(logging.INFO):
        assert publish_it(if_exists=if_exists, state=state, is_retry=True).outcome == "created"
    assert "published to another service (https://staging.example/v1). Starting over." in caplog.text


@pytest.mark.parametrize("if_exists", MODES)
def test_the_watermark_of_another_service_does_not_hide_a_version(
    sandbox: Sandbox, publish_it: Publish, api: API, model: ModelReference, network: Network, state: JsonStateStore,
    if_exists: IfExists,
) -> None:  # fmt: skip
    network.kill_before_post = True
    _publish_until_killed(publish_it, if_exists=if_exists, state=state)
    network.kill_before_post = False
    _move_to_another_service(state, api)
    assert state.text is not None
    state.text = state.text.replace('"number": 2', '"number": 30')
    network.kill_after_post = True
    _publish_until_killed(publish_it, if_exists=if_exists, state=state, is_retry=True)
    network.kill_after_post = False
    assert publish_it(if_exists=if_exists, state=state, is_retry=True).outcome == "adopted"
    assert sandbox.numbers(str(model)) == [3, 2, 1]


def test_another_spelling_of_the_url_is_the_same_service(publish_it: Publish, api: API, state: JsonStateStore) -> None:
    publish_it(state=state)
    assert state.text is not None
    state.text = state.text.replace("http://", "HTTP://")
    assert publish_it(state=state, is_retry=True).outcome == "remembered"


@pytest.mark.parametrize(
    "text",
    ['"x"', "[]", "7", "{}", '{"format": 2}', '{"format": 1, "model": "x"}', '{"format": 1, "watermark": {}}'],
)
def test_a_journal_that_cannot_be_read_is_ignored(
    publish_it: Publish, state: JsonStateStore, time: Time, caplog: pytest.LogCaptureFixture, text: str
) -> None:
    state.text = text
    assert publish_it(state=state, is_retry=True).outcome == "created"
    assert "cannot be read" in caplog.text
    assert time.now == RECONCILE_SECONDS
    assert publish_it(state=state, is_retry=True).outcome == "remembered"


def test_with_a_journal_that_cannot_be_read_create_makes_no_second_version(
    publish_it: Publish, state: JsonStateStore, network: Network
) -> None:
    state.text = '{"format": 2}'
    with pytest.raises(UnresolvedPublishError, match="journal of an earlier try cannot be read"):
        publish_it(if_exists="create", state=state, is_retry=True)
    assert network.posts == 0
