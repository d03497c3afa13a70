"""Create requests whose response is lost, late, or about another version."""

from __future__ import annotations

import logging
from typing import Any

import httpx
import pytest

from airflow_provider_wriftai.client.api import API
from airflow_provider_wriftai.client.errors import RequestError
from airflow_provider_wriftai.client.references import ModelReference
from airflow_provider_wriftai.client.versions import CreateVersionParams
from airflow_provider_wriftai.domain.errors import TaskStoppedError
from airflow_provider_wriftai.domain.publishing.errors import (
    UnresolvedPublishError,
    VersionExistsError,
)
from airflow_provider_wriftai.domain.publishing.options import IfExists
from airflow_provider_wriftai.sandbox.faults import Fault, Faults
from tests.support.publishing import (
    MODES,
    RECONCILE_SECONDS,
    JsonStateStore,
    Network,
    Publish,
    Time,
    publish_with,
    someone_else_publishes,
    wait_until_executed,
)
from tests.support.sandbox import Sandbox

LOST_AFTER_EXECUTION = {
    "connection broke": Fault(method="POST", response="drop"),
    "cut off": Fault(method="POST", response="cut"),
    "garbled": Fault(method="POST", response="garbled"),
    "a proxy's page": Fault(method="POST", response="html"),
    "a login page": Fault(method="POST", response="html", status=200),
    "timeout": Fault(method="POST", delay=60),
    **{str(status): Fault(method="POST", status=status, headers={}) for status in (500, 502, 503, 504)},
}


def _execute_last(faults: Faults) -> None:
    """Let the sandbox execute the requests that it has held back."""
    faults.release()
    wait_until_executed(faults)


@pytest.mark.parametrize("lost", LOST_AFTER_EXECUTION)
@pytest.mark.parametrize("if_exists", MODES)
def test_a_version_whose_response_was_lost_is_adopted(
    sandbox: Sandbox, publish_it: Publish, model: ModelReference, faults: Faults, network: Network, digest: str,
    if_exists: IfExists, lost: str,
) -> None:  # fmt: skip
    faults.add([LOST_AFTER_EXECUTION[lost]])
    network.seconds_for_post = 0.5 if lost == "timeout" else None
    published = publish_it(if_exists=if_exists)
    assert published.outcome == "adopted"
    assert published.version.digest == digest
    assert network.posts == 1
    assert sandbox.numbers(str(model)) == [3, 2, 1]


@pytest.mark.parametrize("if_exists", MODES)
def test_a_create_request_that_was_never_executed_is_sent_again(
    sandbox: Sandbox, publish_it: Publish, model: ModelReference, faults: Faults, network: Network, time: Time,
    if_exists: IfExists,
) -> None:  # fmt: skip
    dropped = Fault(method="POST", execute="never", response="drop")
    faults.add([dropped, Fault(method="POST", execute="never", status=504)])
    assert publish_it(if_exists=if_exists).outcome == "created"
    assert network.posts == 3
    assert time.now == pytest.approx(2 * RECONCILE_SECONDS)
    assert sandbox.numbers(str(model)) == [3, 2, 1]


@pytest.mark.parametrize("if_exists", MODES)
def test_a_create_request_that_is_executed_late_is_not_sent_again(
    sandbox: Sandbox, publish_it: Publish, model: ModelReference, faults: Faults, network: Network, time: Time,
    if_exists: IfExists,
) -> None:  # fmt: skip
    faults.add([Fault(method="POST", execute="last", delay=60, response="drop")])
    network.seconds_for_post = 0.5

    time.at(100, lambda: _execute_last(faults))
    assert publish_it(if_exists=if_exists).outcome == "adopted"
    assert network.posts == 1
    assert sandbox.numbers(str(model)) == [3, 2, 1]


@pytest.mark.parametrize("if_exists", MODES)
def test_time_before_a_create_request_is_sent_does_not_count(
    publish_it: Publish, faults: Faults, network: Network, time: Time, if_exists: IfExists
) -> None:
    faults.add([Fault(method="POST", execute="last", delay=60, response="drop")])
    network.seconds_for_post = 0.5
    network.before_post = lambda: time.sleep(170)

    time.at(170 + 100, lambda: _execute_last(faults))
    assert publish_it(if_exists=if_exists).outcome == "adopted"
    assert network.posts == 1


@pytest.mark.parametrize("if_exists", MODES)
def test_create_requests_are_given_up_and_the_next_try_succeeds(
    sandbox: Sandbox, publish_it: Publish, model: ModelReference, faults: Faults, network: Network,
    state: JsonStateStore, if_exists: IfExists,
) -> None:  # fmt: skip
    faults.add([Fault(method="POST", execute="never", status=503, times=3)])
    with pytest.raises(UnresolvedPublishError, match=r"the last of 3 create requests .* no version appeared") as caught:
        publish_it(if_exists=if_exists, state=state)
    assert caught.value.retryable
    assert isinstance(caught.value.__cause__, RequestError)
    assert network.posts == 3
    assert sandbox.numbers(str(model)) == [2, 1]
    assert publish_it(if_exists=if_exists, state=state, is_retry=True).outcome == "created"
    assert sandbox.numbers(str(model)) == [3, 2, 1]


@pytest.mark.parametrize("if_exists", MODES)
@pytest.mark.parametrize("has_state", [True, False])
def test_an_unknown_outcome_is_an_error_and_the_next_try_reconciles_it(
    sandbox: Sandbox, publish_it: Publish, model: ModelReference, faults: Faults, network: Network, if_exists: IfExists,
    has_state: bool,
) -> None:  # fmt: skip
    state = JsonStateStore() if has_state else None
    faults.add([Fault(method="POST", response="drop")])
    network.after_post = lambda: faults.add([Fault(method="GET", execute="never", status=503, times=1000)])
    with pytest.raises(UnresolvedPublishError, match="Searching for it failed") as caught:
        publish_it(if_exists=if_exists, state=state)
    # Without a state, another try with "create" could make a second version.
    assert caught.value.retryable is not (if_exists == "create" and not has_state)

    faults.clear()
    if has_state or if_exists == "reuse":
        again = publish_it(if_exists=if_exists, state=state, is_retry=True)
        assert str(again.version.reference) == str(publish_it().version.reference)
    elif if_exists == "fail":
        with pytest.raises(VersionExistsError, match="An earlier try of this task may have created it"):
            publish_it(if_exists=if_exists, is_retry=True)
    assert network.posts == 1
    assert sandbox.numbers(str(model)) == [3, 2, 1]


def test_searches_that_fail_for_a_while_do_no_harm(
    publish_it: Publish, faults: Faults, network: Network, caplog: pytest.LogCaptureFixture
) -> None:
    faults.add([Fault(method="POST", response="drop")])
    network.after_post = lambda: faults.add([Fault(method="GET", execute="never", status=503, times=4)])
    with caplog.at_level(logging.WARNING):
        assert publish_it().outcome == "adopted"
    assert caplog.text.count("Searching failed") == 4


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_token_ends_the_search_and_clearing_the_task_reconciles_it(
    publish_it: Publish, faults: Faults, network: Network, time: Time, state: JsonStateStore, status: int
) -> None:
    faults.add([Fault(method="POST", response="drop")])
    network.after_post = lambda: faults.add([Fault(method="GET", execute="never", status=status, times=1000)])
    with pytest.raises(UnresolvedPublishError, match="clear the task: it searches") as caught:
        publish_it(state=state)
    assert not caught.value.retryable
    assert time.now == 0, "searching on cannot help"
    faults.clear()
    assert publish_it(state=state, is_retry=True).outcome == "adopted"
    assert network.posts == 1


@pytest.mark.parametrize("if_exists", MODES)
def test_an_endless_listing_resolves_nothing(
    params: CreateVersionParams, model: ModelReference, time: Time, if_exists: IfExists
) -> None:
    """The error is not about one request, but it must not count as a result either."""
    listings = 0

    def respond(request: httpx.Request) -> httpx.Response:
        nonlocal listings
        if request.method == "POST":
            return httpx.Response(502)
        listings += 1
        version = {"number": 7 + listings, "release_notes": "x", "container_image_digest": f"sha256:{listings:064x}"}
        return httpx.Response(200, json={"items": [version], "next_cursor": "again" if listings > 1 else "more"})

    with API(transport=httpx.MockTransport(respond)) as api:
        with pytest.raises(UnresolvedPublishError, match="was read before") as caught:
            publish_with(api, model, params, if_exists=if_exists, time=time)
    assert caught.value.retryable is not (if_exists == "create")


def test_a_response_about_another_image_does_not_count(
    params: CreateVersionParams, model: ModelReference, time: Time
) -> None:
    stored: list[dict[str, Any]] = []

    def respond(request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            stored.append({"number": 8, "release_notes": "new", **params})
            return httpx.Response(201, json={"number": 3, "container_image_digest": f"sha256:{3:064x}"})
        if request.url.path.endswith("/versions"):
            return httpx.Response(200, json={"items": stored})
        return httpx.Response(200, json=stored[0])

    with API(transport=httpx.MockTransport(respond)) as api:
        published = publish_with(api, model, params, time=time)
    assert (published.outcome, str(published.version.reference)) == ("adopted", f"{model}:8")


@pytest.mark.parametrize("if_exists", ["reuse", "fail"])
def test_a_try_that_was_delayed_searches_again(
    sandbox: Sandbox, publish_it: Publish, model: ModelReference, network: Network, time: Time,
    params: CreateVersionParams, if_exists: IfExists,
) -> None:  # fmt: skip
    class Slow(JsonStateStore):
        def save(self, value: dict[str, Any]) -> None:
            super().save(value)
            if value["reference"] is None:
                time.sleep(60)
                someone_else_publishes(sandbox, model, params)

    if if_exists == "reuse":
        assert publish_it(if_exists=if_exists, state=Slow()).outcome == "reused"
    else:
        with pytest.raises(VersionExistsError):
            publish_it(if_exists=if_exists, state=Slow())
    assert network.posts == 0


def test_a_try_that_was_delayed_by_its_journal_searches_only_once_more(
    publish_it: Publish, network: Network, time: Time, generation: int
) -> None:
    class SlowOnce(JsonStateStore):
        def save(self, value: dict[str, Any]) -> None:
            if self.text is None:
                time.sleep(60)
            super().save(value)

    assert publish_it(state=SlowOnce()).outcome == "created"
    details = 2 if generation == 2 else 0
    assert network.sent == ["GET"] * (1 + details) + ["GET", "POST"]


def test_a_task_that_is_stopped_sends_no_create_request(publish_it: Publish, network: Network) -> None:
    with pytest.raises(TaskStoppedError):
        publish_it(is_stopped=lambda: True)
    assert network.posts == 0


def test_nothing_is_created_if_the_journal_cannot_be_written(
    publish_it: Publish, state: JsonStateStore, network: Network
) -> None:
    state.fails_after = 0
    with pytest.raises(ConnectionError):
        publish_it(state=state)
    assert network.posts == 0
