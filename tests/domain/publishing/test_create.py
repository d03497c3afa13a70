"""The create request, where its response is lost, late, or about something else."""

from __future__ import annotations

import logging
from typing import Any

import httpx
import pytest

from airflow_provider_wriftai.client.api import API
from airflow_provider_wriftai.client.errors import RequestError
from airflow_provider_wriftai.client.references import ModelReference
from airflow_provider_wriftai.client.versions import CreateVersionParams
from airflow_provider_wriftai.domain.publishing.errors import (
    TaskStoppedError,
    UnresolvedPublishError,
    VersionExistsError,
)
from airflow_provider_wriftai.domain.publishing.options import IfExists
from airflow_provider_wriftai.sandbox.faults import Fault, Faults
from tests.support.publishing import (
    MODES,
    RECONCILED,
    JsonStateStore,
    Network,
    Publish,
    Time,
    publish_with,
    someone_else_publishes,
    wait_until_executed,
)
from tests.support.sandbox import Sandbox

LOST_AFTER_THE_WORK = {
    "connection broke": Fault(method="POST", response="drop"),
    "cut off": Fault(method="POST", response="cut"),
    "garbled": Fault(method="POST", response="garbled"),
    "a proxy's page": Fault(method="POST", response="html"),
    "a login page": Fault(method="POST", response="html", status=200),
    "timeout": Fault(method="POST", delay=60),
    **{str(status): Fault(method="POST", status=status, headers={}) for status in (500, 502, 503, 504)},
}


@pytest.mark.parametrize("lost", LOST_AFTER_THE_WORK)
@pytest.mark.parametrize("if_exists", MODES)
def test_a_version_whose_answer_was_lost_is_adopted(
    sandbox: Sandbox, publish_it: Publish, model: ModelReference, faults: Faults, network: Network, digest: str,
    if_exists: IfExists, lost: str,
) -> None:  # fmt: skip
    fault = LOST_AFTER_THE_WORK[lost]
    faults.add([fault])
    published = publish_it(if_exists=if_exists)
    assert published.outcome == "adopted"
    assert published.version.digest == digest
    assert network.posts == 1
    assert sandbox.numbers(str(model)) == [3, 2, 1]


@pytest.mark.parametrize("if_exists", MODES)
def test_a_create_that_was_never_carried_out_is_sent_again(
    sandbox: Sandbox, publish_it: Publish, model: ModelReference, faults: Faults, network: Network, time: Time,
    if_exists: IfExists,
) -> None:  # fmt: skip
    dropped = Fault(method="POST", execute="never", response="drop")
    faults.add([dropped, Fault(method="POST", execute="never", status=504)])
    assert publish_it(if_exists=if_exists).outcome == "created"
    assert network.posts == 3
    assert time.now == pytest.approx(2 * RECONCILED)
    assert sandbox.numbers(str(model)) == [3, 2, 1]


@pytest.mark.parametrize("if_exists", MODES)
def test_a_create_that_is_carried_out_late_is_not_sent_again(
    sandbox: Sandbox, publish_it: Publish, model: ModelReference, faults: Faults, network: Network, time: Time,
    if_exists: IfExists,
) -> None:  # fmt: skip
    faults.add([Fault(method="POST", execute="last", delay=60, response="drop")])

    def at_last() -> None:
        faults.release()
        wait_until_executed(faults)

    time.at(100, at_last)
    assert publish_it(if_exists=if_exists).outcome == "adopted"
    assert network.posts == 1
    assert sandbox.numbers(str(model)) == [3, 2, 1]


@pytest.mark.parametrize("if_exists", MODES)
def test_a_create_that_had_to_wait_before_it_was_sent_is_given_its_whole_time(
    sandbox: Sandbox, publish_it: Publish, model: ModelReference, faults: Faults, network: Network, time: Time,
    if_exists: IfExists,
) -> None:  # fmt: skip
    faults.add([Fault(method="POST", execute="last", delay=60, response="drop")])
    network.before_post = lambda: time.sleep(170)

    def at_last() -> None:
        faults.release()
        wait_until_executed(faults)

    time.at(170 + 100, at_last)
    assert publish_it(if_exists=if_exists).outcome == "adopted"
    assert network.posts == 1


@pytest.mark.parametrize("if_exists", MODES)
def test_creates_are_given_up_at_last_and_the_next_try_does_it(
    sandbox: Sandbox, publish_it: Publish, model: ModelReference, faults: Faults, network: Network,
    state: JsonStateStore, if_exists: IfExists,
) -> None:  # fmt: skip
    faults.add([Fault(method="POST", execute="never", status=503, times=3)])
    with pytest.raises(UnresolvedPublishError, match=r"the last of 3 create requests .* no version appeared") as caught:
        publish_it(if_exists=if_exists, state=state)
    assert caught.value.retryable is (state is not None)
    assert isinstance(caught.value.__cause__, RequestError)
    assert network.posts == 3
    assert sandbox.numbers(str(model)) == [2, 1]
    assert publish_it(if_exists=if_exists, state=state, is_retry=True).outcome == "created"
    assert sandbox.numbers(str(model)) == [3, 2, 1]


@pytest.mark.parametrize("if_exists", MODES)
@pytest.mark.parametrize("remembers", [True, False])
def test_what_cannot_be_told_is_said_and_the_next_try_settles_it(
    sandbox: Sandbox, publish_it: Publish, model: ModelReference, faults: Faults, network: Network, if_exists: IfExists,
    remembers: bool,
) -> None:  # fmt: skip
    state = JsonStateStore() if remembers else None
    faults.add([Fault(method="POST", response="drop")])
    network.after_post = lambda: faults.add([Fault(method="GET", execute="never", status=503, times=1000)])
    with pytest.raises(UnresolvedPublishError, match="Searching for it failed") as caught:
        publish_it(if_exists=if_exists, state=state)
    # Without a state, another try with "create" could make a second version.
    assert caught.value.retryable is not (if_exists == "create" and not remembers)

    faults.clear()
    if remembers or if_exists == "reuse":
        again = publish_it(if_exists=if_exists, state=state, is_retry=True)
        assert str(again.version.reference) == str(publish_it().version.reference)
    elif if_exists == "fail":
        with pytest.raises(VersionExistsError, match="An earlier try of this task may have created it"):
            publish_it(if_exists=if_exists, is_retry=True)
    assert network.posts == 1
    assert sandbox.numbers(str(model)) == [3, 2, 1]


def test_looks_that_fail_for_a_while_do_no_harm(
    publish_it: Publish, faults: Faults, network: Network, caplog: pytest.LogCaptureFixture
) -> None:
    faults.add([Fault(method="POST", response="drop")])
    network.after_post = lambda: faults.add([Fault(method="GET", execute="never", status=503, times=4)])
    with caplog.at_level(logging.WARNING):
        assert publish_it().outcome == "adopted"
    assert caplog.text.count("Searching failed") == 4


@pytest.mark.parametrize("status", [401, 403])
def test_a_token_that_is_refused_meanwhile_ends_it_at_once_and_clearing_the_task_settles_it(
    publish_it: Publish, faults: Faults, network: Network, time: Time, state: JsonStateStore, status: int
) -> None:
    faults.add([Fault(method="POST", response="drop")])
    network.after_post = lambda: faults.add([Fault(method="GET", execute="never", status=status, times=1000)])
    with pytest.raises(UnresolvedPublishError, match="clear the task: it searches") as caught:
        publish_it(state=state)
    assert not caught.value.retryable
    assert time.now == 0, "nothing comes of looking on"
    faults.clear()
    assert publish_it(state=state, is_retry=True).outcome == "adopted"
    assert network.posts == 1


@pytest.mark.parametrize("if_exists", MODES)
def test_a_listing_that_does_not_end_settles_nothing(
    sandbox: Sandbox, params: CreateVersionParams, model: ModelReference, time: Time, if_exists: IfExists
) -> None:
    """Not an error of one request, and yet none that may pass for an answer."""
    listings = 0

    def answer(request: httpx.Request) -> httpx.Response:
        nonlocal listings
        if request.method == "POST":
            return httpx.Response(502)
        listings += 1
        version = {"number": 7 + listings, "release_notes": "x", "container_image_digest": f"sha256:{listings:064x}"}
        return httpx.Response(200, json={"items": [version], "next_cursor": "again" if listings > 1 else "more"})

    with API(transport=httpx.MockTransport(answer)) as api:
        with pytest.raises(UnresolvedPublishError, match="was read before") as caught:
            publish_with(api, model, params, if_exists=if_exists, time=time)
    assert caught.value.retryable is not (if_exists == "create")


def test_an_answer_about_another_image_is_no_answer(
    params: CreateVersionParams, model: ModelReference, time: Time
) -> None:
    made: list[dict[str, Any]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            made.append({"number": 8, "release_notes": "new", **params})
            return httpx.Response(201, json={"number": 3, "container_image_digest": f"sha256:{3:064x}"})
        if request.url.path.endswith("/versions"):
            return httpx.Response(200, json={"items": made})
        return httpx.Response(200, json=made[0])

    with API(transport=httpx.MockTransport(answer)) as api:
        published = publish_with(api, model, params, time=time)
    assert (published.outcome, str(published.version.reference)) == ("adopted", f"{model}:8")


@pytest.mark.parametrize("if_exists", ["reuse", "fail"])
def test_a_try_that_was_held_up_looks_again(
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


def test_a_try_with_a_journal_that_was_held_up_searches_only_once_more(
    sandbox: Sandbox, publish_it: Publish, network: Network, time: Time, generation: int
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


def test_nothing_is_created_that_could_not_be_noted_down_before(
    sandbox: Sandbox, publish_it: Publish, model: ModelReference, state: JsonStateStore, network: Network
) -> None:
    state.fails_after = 0
    with pytest.raises(ConnectionError):
        publish_it(state=state)
    assert network.posts == 0
