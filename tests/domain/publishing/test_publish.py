"""Publishing against a sandbox where things go wrong, in time that passes only when somebody waits."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from airflow_provider_wriftai.client.api import API
from airflow_provider_wriftai.client.errors import NotFoundError, RequestError
from airflow_provider_wriftai.client.references import ModelReference
from airflow_provider_wriftai.client.retrying import RetryPolicy
from airflow_provider_wriftai.client.versions import CreateVersionParams
from airflow_provider_wriftai.domain.publishing.errors import (
    TaskStoppedError,
    UnresolvedPublishError,
    VersionDeletedError,
    VersionExistsError,
)
from airflow_provider_wriftai.domain.publishing.outcome import PublishResult
from airflow_provider_wriftai.domain.publishing.publish import (
    DEFAULT_SETTLE_SECONDS,
    IfExists,
    PublishOptions,
    publish,
)
from airflow_provider_wriftai.domain.publishing.reconcile import CONFIRMATION_SECONDS
from airflow_provider_wriftai.domain.sansio import run
from airflow_provider_wriftai.sandbox.app import create_app
from airflow_provider_wriftai.sandbox.faults import Fault, Faults
from airflow_provider_wriftai.sandbox.server import running
from tests.support.sandbox import Sandbox

MODES: list[IfExists] = ["reuse", "fail", "create"]

RECONCILED = DEFAULT_SETTLE_SECONDS + CONFIRMATION_SECONDS
"""Seconds after which a version that does not appear is known not to exist."""


class Killed(BaseException):
    """The process is gone."""


class Network(httpx.HTTPTransport):
    """The network, which counts what is sent, and where the process can be killed."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[str] = []
        self.kill_before_post = False
        self.kill_after_post = False
        self.before_post: Callable[[], None] = lambda: None
        self.after_post: Callable[[], None] = lambda: None

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.method != "POST":
            self.sent.append(request.method)
            return super().handle_request(request)
        self.before_post()
        if self.kill_before_post:
            raise Killed
        self.sent.append(request.method)
        try:
            response = super().handle_request(request)
        finally:
            after_post, self.after_post = self.after_post, lambda: None
            after_post()
        if self.kill_after_post:
            response.close()
            raise Killed
        return response

    @property
    def posts(self) -> int:
        return self.sent.count("POST")


class Time:
    """Time that passes only when somebody waits."""

    def __init__(self) -> None:
        self.now = 0.0
        self.alarms: list[tuple[float, Callable[[], None]]] = []

    def at(self, when: float, what: Callable[[], None]) -> None:
        self.alarms.append((when, what))

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        for alarm in [alarm for alarm in self.alarms if alarm[0] <= self.now]:
            self.alarms.remove(alarm)
            alarm[1]()

    def clock(self) -> float:
        return self.now


class JsonStateStore:
    """A state store, which keeps only what JSON can say."""

    def __init__(self) -> None:
        self.text: str | None = None
        self.fails_after = 1_000

    def load(self) -> Any:
        return None if self.text is None else json.loads(self.text)

    def save(self, value: dict[str, Any]) -> None:
        self.fails_after -= 1
        if self.fails_after < 0:
            raise ConnectionError("no database")
        self.text = json.dumps(value, allow_nan=False)


@pytest.fixture
def network() -> Network:
    return Network()


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def state() -> JsonStateStore:
    return JsonStateStore()


@pytest.fixture
def api(
    sandbox: Sandbox, faulty: tuple[str, Faults], faults: Faults, generation: int, network: Network
) -> Iterator[API]:
    base_url = f"{faulty[0]}/generation-{generation}/v1"
    with API(base_url, sandbox.token, transport=network, retry=RetryPolicy(attempts=1), timeout=0.5) as opened:
        yield opened


@pytest.fixture
def params(digest: str, schemas: Any) -> CreateVersionParams:
    return {"release_notes": "new", "schemas": schemas, "container_image_digest": digest}


@pytest.fixture
def model(sandbox: Sandbox) -> ModelReference:
    return ModelReference.parse(sandbox.new_model(versions=2))


Publish = Callable[..., PublishResult]


def publish_with(
    api: API, model: ModelReference, params: CreateVersionParams, time: Time | None = None, **keywords: Any
) -> PublishResult:
    time = time or Time()
    arguments = {name: keywords.pop(name) for name in ("state", "is_stopped") if name in keywords}
    options = PublishOptions(**keywords)
    return run(api, publish(model, params, options, clock=time.clock, **arguments), time.sleep)


@pytest.fixture
def publish_it(api: API, model: ModelReference, params: CreateVersionParams, time: Time) -> Publish:
    """Publish the image, in the time of the test."""

    def publish_changed(**keywords: Any) -> PublishResult:
        changes = keywords.pop("params", {})
        return publish_with(api, model, {**params, **changes}, time, **keywords)

    return publish_changed


def _someone_else_publishes(
    sandbox: Sandbox, model: ModelReference, params: CreateVersionParams, **changes: Any
) -> None:
    sandbox.store.create_version(model.owner, model.name, **{**params, **changes})


def _wait_until_worked(faults: Faults) -> None:
    while faults.events.get(timeout=30).stage != "executed":
        pass


# ---- nothing goes wrong


@pytest.mark.parametrize("existing", [0, 3, 30])
@pytest.mark.parametrize("if_exists", MODES)
def test_a_new_image_gets_a_version_for_few_requests(
    sandbox: Sandbox, api: API, params: CreateVersionParams, network: Network, generation: int, existing: int,
    if_exists: IfExists,
) -> None:  # fmt: skip
    model = sandbox.new_model(versions=existing)
    published = publish_with(api, ModelReference.parse(model), params, if_exists=if_exists, lookback=10)
    assert published.outcome == "created"
    assert published.version.digest == params["container_image_digest"]
    assert sandbox.numbers(model) == list(range(existing + 1, 0, -1))
    # Lists of generation 2 carry no digest: one more request for each version that is looked at.
    details = min(existing, 10) if generation == 2 and if_exists != "create" else 0
    assert network.sent == ["GET"] * (1 + details) + ["POST"]


def test_lists_that_carry_the_digest_need_no_details(
    sandbox: Sandbox, params: CreateVersionParams, network: Network
) -> None:
    model = sandbox.new_model(versions=8)
    with running(create_app(sandbox.store, digest_in_lists=True)) as url:
        with API(f"{url}/v1", sandbox.token, transport=network) as api:
            assert publish_with(api, ModelReference.parse(model), params).outcome == "created"
            assert network.sent == ["GET", "POST"]
            again = publish_with(api, ModelReference.parse(model), params)
    assert again.outcome == "reused"
    assert network.sent[2:] == ["GET"]


def test_details_are_fetched_newest_first_and_those_with_the_same_notes_before(
    sandbox: Sandbox, params: CreateVersionParams, model: ModelReference
) -> None:
    for number, notes in enumerate(["x", "new", "y", "new", "z"], start=3):
        _someone_else_publishes(
            sandbox, model, params, release_notes=notes, container_image_digest=f"sha256:{number:064x}"
        )
    asked: list[str] = []

    class Noting(httpx.HTTPTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            asked.append(request.url.path.rpartition("/")[2])
            return super().handle_request(request)

    with API(sandbox.base_url(2), sandbox.token, transport=Noting()) as api:
        publish_with(api, model, params, lookback=6)
    assert asked == ["versions", "6", "4", "7", "5", "3", "2", "versions"]


def test_an_image_that_has_a_version_gets_no_second_one(
    sandbox: Sandbox, publish_it: Publish, model: ModelReference, caplog: pytest.LogCaptureFixture
) -> None:
    first = publish_it()
    # Release notes with a date differ at every reuse, which is no reason to warn.
    with caplog.at_level(logging.INFO):
        again = publish_it(params={"release_notes": "other"})
    assert again.outcome == "reused"
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
    assert str(again.version.reference) == str(first.version.reference)
    assert "has other release_notes than this task's" in caplog.text
    assert sandbox.numbers(str(model)) == [3, 2, 1]


def test_fail_names_the_version_that_is_there(sandbox: Sandbox, publish_it: Publish, model: ModelReference) -> None:
    first = publish_it()
    with pytest.raises(VersionExistsError) as caught:
        publish_it(if_exists="fail")
    assert caught.value.reference == str(first.version.reference)
    assert "earlier try" not in str(caught.value)
    assert sandbox.numbers(str(model)) == [3, 2, 1]


def test_create_makes_another_one(sandbox: Sandbox, publish_it: Publish, model: ModelReference) -> None:
    publish_it()
    assert publish_it(if_exists="create").outcome == "created"
    assert sandbox.numbers(str(model)) == [4, 3, 2, 1]


def test_no_look_goes_further_back_than_asked(
    sandbox: Sandbox,
    publish_it: Publish,
    model: ModelReference,
    params: CreateVersionParams,
    faults: Faults,
    time: Time,
) -> None:
    """A page has five versions at least; a look at fewer is one at fewer at every turn."""
    publish_it()
    for number in range(2):
        _someone_else_publishes(sandbox, model, params, container_image_digest=f"sha256:{number:064x}")
    faults.add([Fault(method="POST", execute="never", response="drop")])
    assert publish_it(if_exists="fail", lookback=1, is_retry=True).outcome == "created"


def test_only_the_newest_are_searched(
    sandbox: Sandbox, publish_it: Publish, model: ModelReference, params: CreateVersionParams
) -> None:
    publish_it()
    for number in range(3):
        _someone_else_publishes(sandbox, model, params, container_image_digest=f"sha256:{number:064x}")
    assert publish_it(lookback=4).outcome == "reused"
    assert publish_it(lookback=3).outcome == "created"
    assert publish_it(lookback=1).outcome == "reused"


def test_a_clear_refusal_is_raised_as_it_is(api: API, params: CreateVersionParams) -> None:
    with pytest.raises(NotFoundError):
        publish_with(api, ModelReference.parse("acme/no-such-model"), params)


def test_the_log_tells_the_story(publish_it: Publish, caplog: pytest.LogCaptureFixture, digest: str) -> None:
    with caplog.at_level(logging.INFO, "airflow_provider_wriftai.domain.publishing"):
        reference = str(publish_it().version.reference)
        publish_it()
    told = [record.getMessage() for record in caplog.records]
    assert told[0].startswith("Searched the newest 2 versions of acme/model-")
    assert told[0].endswith(f": no version of {digest} exists.")
    assert told[1:] == [
        f"Created {reference}.",
        f"{reference} is a version of image {digest}. No other version is created.",
    ]


def test_a_digest_that_the_list_leaves_open_is_looked_up(params: CreateVersionParams) -> None:
    """Some lists have the field, but nothing in it."""

    def answer(request: httpx.Request) -> httpx.Response:
        assert request.method == "GET"
        if request.url.path.endswith("/versions"):
            return httpx.Response(200, json={"items": [{"number": 7, "container_image_digest": None}]})
        return httpx.Response(200, json={"number": 7, "container_image_digest": params["container_image_digest"]})

    with API(transport=httpx.MockTransport(answer)) as api:
        published = publish_with(api, ModelReference.parse("acme/det"), params)
    assert (published.outcome, str(published.version.reference)) == ("reused", "acme/det:7")


# ---- the answer to the create is lost

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
        _wait_until_worked(faults)

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
        _wait_until_worked(faults)

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


# ---- a service that does not tell of which image a version is


class Untelling(httpx.HTTPTransport):
    """The network to a service that leaves the digest out of all that it answers."""

    def __init__(self) -> None:
        super().__init__()
        self.posts = 0
        self.lose_answers = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.posts += request.method == "POST"
        response = super().handle_request(request)
        body = json.loads(response.read())
        for described in [body, *body.get("items", [])]:
            described.pop("container_image_digest", None)
        if request.method == "POST" and self.lose_answers:
            self.lose_answers -= 1
            raise httpx.ReadTimeout("lost", request=request)
        return httpx.Response(response.status_code, json=body, headers={"date": response.headers["date"]})


@pytest.fixture
def untelling(sandbox: Sandbox, generation: int) -> Iterator[tuple[API, Untelling]]:
    network = Untelling()
    with API(sandbox.base_url(generation), sandbox.token, transport=network, retry=RetryPolicy(attempts=1)) as api:
        yield api, network


@pytest.mark.parametrize("if_exists", MODES)
def test_where_no_digest_is_told_a_lost_version_is_known_by_its_notes(
    sandbox: Sandbox, untelling: tuple[API, Untelling], model: ModelReference, params: CreateVersionParams, time: Time,
    state: JsonStateStore, if_exists: IfExists, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    api, network = untelling
    network.lose_answers = 1
    outcome: dict[str, Any] = {"if_exists": if_exists, "state": state, "time": time}
    assert publish_with(api, model, params, **outcome).outcome == "adopted"
    assert publish_with(api, model, params, is_retry=True, **outcome).outcome == "remembered"
    assert (network.posts, sandbox.numbers(str(model))) == (1, [3, 2, 1])
    assert ("does not report the images" in caplog.text) is (if_exists != "create")


def test_where_no_digest_is_told_a_killed_try_without_a_memory_cannot_be_settled(
    untelling: tuple[API, Untelling], model: ModelReference, params: CreateVersionParams, time: Time
) -> None:
    api, network = untelling
    publish_with(api, model, params)
    with pytest.raises(UnresolvedPublishError, match="the service does not report its image"):
        publish_with(api, model, params, is_retry=True, time=time)
    assert network.posts == 1
    # With other notes it is none of this task's.
    other: CreateVersionParams = {**params, "release_notes": "other"}
    assert publish_with(api, model, other, is_retry=True, time=time).outcome == "created"


# ---- a service whose clocks disagree (generation 1, where times order the versions)


@pytest.mark.parametrize("if_exists", MODES)
@pytest.mark.parametrize("existing", [2, 30])
def test_a_lost_version_from_a_clock_that_is_behind_is_found(
    sandbox: Sandbox, params: CreateVersionParams, time: Time, faults: Faults, faulty: tuple[str, Faults],
    if_exists: IfExists, existing: int,
) -> None:  # fmt: skip
    model = ModelReference.parse(sandbox.new_model(versions=existing))
    before = sandbox.store.versions(model.owner, model.name)
    behind = datetime.fromisoformat(before[1].created_at) + timedelta(seconds=1)
    faults.add([Fault(method="POST", execute="never", response="drop")])
    network = Network()
    network.after_post = lambda: _someone_else_publishes(sandbox, model, params, created_at=behind)
    with API(f"{faulty[0]}/generation-1/v1", sandbox.token, transport=network) as api:
        published = publish_with(api, model, params, if_exists=if_exists, time=time)
    assert (published.outcome, network.posts) == ("adopted", 1)


@pytest.mark.parametrize("if_exists", MODES)
def test_where_times_tell_nothing_no_second_version_is_made(
    params: CreateVersionParams, model: ModelReference, time: Time, if_exists: IfExists
) -> None:
    """Times without a zone, and more versions than a page has."""
    made: list[dict[str, Any]] = [
        {"id": f"id-{n}", "created_at": f"2026-01-01T00:00:{n:02}", "release_notes": "x", "schemas": {},
         "container_image_digest": f"sha256:{n:064x}"}
        for n in range(10)
    ]  # fmt: skip
    posts = 0

    def answer(request: httpx.Request) -> httpx.Response:
        nonlocal posts
        if request.method == "POST":
            posts += 1
            made.append({"id": "id-new", "created_at": "2026-01-02T00:00:00", **params})
            return httpx.Response(504)
        listed = list(reversed(made))
        first = "cursor" not in request.url.params
        return httpx.Response(
            200, json={"items": listed[:5] if first else listed[5:], "next_cursor": "rest" if first else None}
        )

    with API(transport=httpx.MockTransport(answer)) as api:
        outcome: dict[str, Any] = {"if_exists": if_exists, "lookback": 5, "time": time}
        if if_exists == "reuse":
            assert publish_with(api, model, params, **outcome).outcome == "adopted"
        else:
            with pytest.raises(UnresolvedPublishError, match="its time of creation does not say"):
                publish_with(api, model, params, **outcome)
    assert posts == 1


# ---- who made it?


def test_an_older_version_of_the_image_is_not_mistaken_for_the_lost_one(
    sandbox: Sandbox, publish_it: Publish, model: ModelReference, faults: Faults
) -> None:
    first = publish_it()
    faults.add([Fault(method="POST", execute="never", status=503, times=3)])
    with pytest.raises(UnresolvedPublishError):
        publish_it(if_exists="create")
    faults.add([Fault(method="POST", response="drop")])
    second = publish_it(if_exists="create")
    assert str(second.version.reference) != str(first.version.reference)
    assert sandbox.numbers(str(model)) == [4, 3, 2, 1]


@pytest.mark.parametrize("if_exists", MODES)
def test_somebody_elses_version_of_the_image(
    sandbox: Sandbox, publish_it: Publish, model: ModelReference, faults: Faults, network: Network,
    params: CreateVersionParams, if_exists: IfExists,
) -> None:  # fmt: skip
    faults.add([Fault(method="POST", execute="never", response="drop")])
    network.after_post = lambda: _someone_else_publishes(sandbox, model, params, release_notes="theirs")
    match if_exists:
        case "reuse":
            # One of the image is what was asked for, whoever made it.
            assert publish_it(if_exists=if_exists).outcome == "adopted"
        case "fail":
            with pytest.raises(VersionExistsError):
                publish_it(if_exists=if_exists)
        case "create":
            assert publish_it(if_exists=if_exists).outcome == "created"
    assert sandbox.numbers(str(model))[0] == (4 if if_exists == "create" else 3)


def test_notes_whose_white_space_the_service_tidies_are_the_same(
    sandbox: Sandbox, publish_it: Publish, model: ModelReference, faults: Faults, network: Network,
    params: CreateVersionParams,
) -> None:  # fmt: skip
    faults.add([Fault(method="POST", execute="never", response="drop")])
    network.after_post = lambda: _someone_else_publishes(sandbox, model, params, release_notes="new notes")
    assert publish_it(params={"release_notes": " new\nnotes\n"}, if_exists="create").outcome == "adopted"


def test_a_lost_version_is_found_behind_many_newer_ones(
    sandbox: Sandbox, publish_it: Publish, model: ModelReference, faults: Faults, network: Network,
    params: CreateVersionParams,
) -> None:  # fmt: skip
    faults.add([Fault(method="POST", response="drop")])

    def others_publish() -> None:
        for number in range(60):
            _someone_else_publishes(
                sandbox, model, params, release_notes="x", container_image_digest=f"sha256:{number:064x}"
            )

    network.after_post = others_publish
    published = publish_it(if_exists="create")
    assert published.outcome == "adopted"
    assert published.version.release_notes == "new"


def test_an_old_version_is_not_adopted_though_all_that_was_known_is_gone(
    sandbox: Sandbox, publish_it: Publish, model: ModelReference, faults: Faults, network: Network,
    params: CreateVersionParams,
) -> None:  # fmt: skip
    publish_it()
    for number in range(12):
        _someone_else_publishes(sandbox, model, params, container_image_digest=f"sha256:{number:064x}")
    faults.add([Fault(method="POST", execute="never", response="drop")])

    def prune_all_but_the_image() -> None:
        for version in sandbox.store.versions(model.owner, model.name):
            if version.number != 3:
                sandbox.store.delete_version(version)

    network.after_post = prune_all_but_the_image
    assert publish_it(if_exists="create").outcome == "created"
    assert network.posts == 3  # the first version, the lost create, and the one after it


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
                _someone_else_publishes(sandbox, model, params)

    if if_exists == "reuse":
        assert publish_it(if_exists=if_exists, state=Slow()).outcome == "reused"
    else:
        with pytest.raises(VersionExistsError):
            publish_it(if_exists=if_exists, state=Slow())
    assert network.posts == 0


# ---- the task is killed, and tried again


def _killed(publish_it: Publish, **keywords: Any) -> None:
    with pytest.raises(Killed):
        publish_it(**keywords)


@pytest.mark.parametrize("if_exists", MODES)
def test_a_task_killed_after_its_create_adopts_what_it_made(
    sandbox: Sandbox, publish_it: Publish, model: ModelReference, network: Network, state: JsonStateStore, time: Time,
    if_exists: IfExists,
) -> None:  # fmt: skip
    network.kill_after_post = True
    _killed(publish_it, if_exists=if_exists, state=state)
    network.kill_after_post = False
    assert publish_it(if_exists=if_exists, state=state, is_retry=True).outcome == "adopted"
    assert publish_it(if_exists=if_exists, state=state, is_retry=True).outcome == "remembered"
    assert (network.posts, time.now) == (1, 0)
    assert sandbox.numbers(str(model)) == [3, 2, 1]


@pytest.mark.parametrize("if_exists", MODES)
def test_a_task_killed_before_its_create_makes_it_after_all(
    sandbox: Sandbox, publish_it: Publish, model: ModelReference, network: Network, state: JsonStateStore, time: Time,
    if_exists: IfExists,
) -> None:  # fmt: skip
    network.kill_before_post = True
    _killed(publish_it, if_exists=if_exists, state=state)
    network.kill_before_post = False
    assert publish_it(if_exists=if_exists, state=state, is_retry=True).outcome == "created"
    # Whether the create was sent, nobody knows: the service is given the time to finish it.
    assert time.now == pytest.approx(RECONCILED)
    assert sandbox.numbers(str(model)) == [3, 2, 1]


@pytest.mark.parametrize("if_exists", MODES)
def test_a_create_that_is_carried_out_after_its_task_was_killed_is_found(
    sandbox: Sandbox, publish_it: Publish, model: ModelReference, network: Network, state: JsonStateStore, time: Time,
    params: CreateVersionParams, if_exists: IfExists,
) -> None:  # fmt: skip
    network.kill_before_post = True
    _killed(publish_it, if_exists=if_exists, state=state)
    network.kill_before_post = False
    time.at(90, lambda: _someone_else_publishes(sandbox, model, params))
    assert publish_it(if_exists=if_exists, state=state, is_retry=True).outcome == "adopted"
    assert network.posts == 0


def test_notes_that_change_from_try_to_try_hide_nothing(
    publish_it: Publish, network: Network, state: JsonStateStore, caplog: pytest.LogCaptureFixture
) -> None:
    network.kill_after_post = True
    _killed(publish_it, if_exists="create", state=state, params={"release_notes": "try 1"})
    network.kill_after_post = False
    with caplog.at_level(logging.INFO):
        published = publish_it(if_exists="create", state=state, is_retry=True, params={"release_notes": "try 2"})
    assert published.version.release_notes == "try 1"
    assert "has other release_notes" in caplog.text


@pytest.mark.parametrize("comes_at", [0, 100])
def test_a_killed_task_without_a_memory_finds_its_version_with_reuse(
    sandbox: Sandbox, publish_it: Publish, model: ModelReference, network: Network, time: Time,
    params: CreateVersionParams, comes_at: float,
) -> None:  # fmt: skip
    network.kill_before_post = True
    _killed(publish_it)
    network.kill_before_post = False
    time.at(comes_at, lambda: _someone_else_publishes(sandbox, model, params))
    time.sleep(0)
    assert publish_it(is_retry=True).outcome == "reused"
    assert network.posts == 0


def test_a_retry_without_a_memory_looks_for_a_while_and_then_creates(
    publish_it: Publish, network: Network, time: Time
) -> None:
    assert publish_it(is_retry=True).outcome == "created"
    assert (network.posts, time.now) == (1, RECONCILED)


@pytest.mark.parametrize("if_exists", MODES)
def test_a_task_that_is_cleared_gives_back_its_version_while_that_exists(
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
    assert publish_it(if_exists=if_exists).outcome == "created", "without the state it is published anew"
    assert network.posts == 2


def test_a_remembered_version_that_one_response_denies_is_looked_at_again(
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


def test_a_task_that_is_stopped_sends_no_create_request(publish_it: Publish, network: Network) -> None:
    with pytest.raises(TaskStoppedError):
        publish_it(is_stopped=lambda: True)
    assert network.posts == 0


@pytest.mark.parametrize("reported", ["", "registry/det@sha256:" + "ab" * 32, "SHA256:" + "AB" * 32, None, 7])
def test_whatever_is_no_digest_is_an_unknown_one(params: CreateVersionParams, time: Time, reported: object) -> None:
    """A lost create is not repeated because the service reports something else than a digest."""
    made: list[dict[str, Any]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            made.append({"number": 7 + len(made), **params, "container_image_digest": reported})
            return httpx.Response(502)
        if request.url.path.endswith("/versions"):
            return httpx.Response(200, json={"items": made[::-1]})
        return httpx.Response(200, json=made[0])

    model = ModelReference.parse("acme/det")
    with API(transport=httpx.MockTransport(answer)) as api:
        published = publish_with(api, model, params, time)
    assert (published.outcome, published.version.digest, len(made)) == ("adopted", None, 1)


@pytest.mark.parametrize("if_exists", ["reuse", "fail"])
def test_of_two_tasks_that_create_at_the_same_time_the_younger_deletes_its_own(
    sandbox: Sandbox, publish_it: Publish, model: ModelReference, network: Network, params: CreateVersionParams,
    if_exists: IfExists,
) -> None:  # fmt: skip
    network.before_post = lambda: _someone_else_publishes(sandbox, model, params, release_notes="theirs")
    if if_exists == "reuse":
        published = publish_it(if_exists=if_exists, on_duplicate="delete_own")
        assert (published.outcome, published.version.release_notes) == ("reused", "theirs")
    else:
        with pytest.raises(VersionExistsError):
            publish_it(if_exists=if_exists, on_duplicate="delete_own")
    assert sandbox.numbers(str(model)) == [3, 2, 1]
    assert sandbox.store.versions(model.owner, model.name)[0].release_notes == "theirs"


def test_the_older_of_two_tasks_keeps_its_own(
    sandbox: Sandbox, publish_it: Publish, model: ModelReference, network: Network, params: CreateVersionParams
) -> None:
    network.after_post = lambda: _someone_else_publishes(sandbox, model, params, release_notes="theirs")
    assert publish_it(on_duplicate="delete_own").version.release_notes == "new"
    assert sandbox.numbers(str(model)) == [4, 3, 2, 1]


def test_two_tasks_that_create_at_the_same_time_are_reported(
    sandbox: Sandbox, publish_it: Publish, model: ModelReference, network: Network, params: CreateVersionParams,
    generation: int, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    network.before_post = lambda: _someone_else_publishes(sandbox, model, params)
    publish_it()
    assert sandbox.numbers(str(model)) == [4, 3, 2, 1]
    # In generation 1, nothing in the response shows it.
    assert (f"{model}:3 was published while this task created {model}:4" in caplog.text) is (generation == 2)


def test_a_version_that_was_reused_is_remembered_too(
    sandbox: Sandbox, publish_it: Publish, model: ModelReference, params: CreateVersionParams, state: JsonStateStore
) -> None:
    publish_it()
    assert publish_it(state=state).outcome == "reused"
    for number in range(12):
        _someone_else_publishes(sandbox, model, params, container_image_digest=f"sha256:{number:064x}")
    assert publish_it(state=state, is_retry=True).outcome == "remembered"


def test_another_image_is_another_publication(
    publish_it: Publish, state: JsonStateStore, time: Time, caplog: pytest.LogCaptureFixture
) -> None:
    publish_it(state=state)
    with caplog.at_level(logging.INFO):
        other = publish_it(state=state, is_retry=True, params={"container_image_digest": f"sha256:{7:064x}"})
    assert (other.outcome, time.now) == ("created", 0)
    assert "another image or model" in caplog.text


@pytest.mark.parametrize(
    "noted",
    ['"x"', "[]", "7", "{}", '{"format": 2}', '{"format": 1, "model": "x"}', '{"format": 1, "watermark": {}}'],
)
def test_notes_that_cannot_be_read_are_no_notes(
    publish_it: Publish, state: JsonStateStore, time: Time, caplog: pytest.LogCaptureFixture, noted: str
) -> None:
    state.text = noted
    assert publish_it(state=state, is_retry=True).outcome == "created"
    assert "cannot be read" in caplog.text
    assert time.now == RECONCILED
    assert publish_it(state=state, is_retry=True).outcome == "remembered"


def test_with_notes_that_cannot_be_read_create_makes_no_second_one(
    publish_it: Publish, state: JsonStateStore, network: Network
) -> None:
    state.text = '{"format": 2}'
    with pytest.raises(UnresolvedPublishError, match="journal of an earlier try cannot be read"):
        publish_it(if_exists="create", state=state, is_retry=True)
    assert network.posts == 0


def test_nothing_is_created_that_could_not_be_noted_down_before(
    sandbox: Sandbox, publish_it: Publish, model: ModelReference, state: JsonStateStore, network: Network
) -> None:
    state.fails_after = 0
    with pytest.raises(ConnectionError):
        publish_it(state=state)
    assert network.posts == 0


def test_a_version_that_could_not_be_noted_down_after_is_returned_all_the_same(
    publish_it: Publish, state: JsonStateStore, network: Network, caplog: pytest.LogCaptureFixture
) -> None:
    state.fails_after = 1
    first = publish_it(state=state)
    assert first.outcome == "created"
    assert "could not be stored" in caplog.text
    state.fails_after = 1_000
    again = publish_it(state=state, is_retry=True)
    assert (again.outcome, str(again.version.reference)) == ("adopted", str(first.version.reference))
    assert network.posts == 1
