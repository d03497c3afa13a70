"""Find the version that a create request without a clear response created."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from airflow_provider_wriftai.client.api import API
from airflow_provider_wriftai.client.references import ModelReference
from airflow_provider_wriftai.client.retrying import RetryPolicy
from airflow_provider_wriftai.client.versions import CreateVersionParams
from airflow_provider_wriftai.domain.publishing.errors import (
    UnresolvedPublishError,
    VersionExistsError,
)
from airflow_provider_wriftai.domain.publishing.options import IfExists
from airflow_provider_wriftai.sandbox.faults import Fault, Faults
from tests.support.publishing import (
    MODES,
    JsonStateStore,
    Network,
    Publish,
    Time,
    publish_with,
    someone_else_publishes,
)
from tests.support.sandbox import Sandbox


class DigestOmittingTransport(httpx.HTTPTransport):
    """The network to a service that omits the digest from every response."""

    def __init__(self) -> None:
        super().__init__()
        self.posts = 0
        self.responses_to_lose = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.posts += request.method == "POST"
        response = super().handle_request(request)
        body = json.loads(response.read())
        for version in [body, *body.get("items", [])]:
            version.pop("container_image_digest", None)
        if request.method == "POST" and self.responses_to_lose:
            self.responses_to_lose -= 1
            raise httpx.ReadTimeout("lost", request=request)
        return httpx.Response(response.status_code, json=body, headers={"date": response.headers["date"]})


@pytest.fixture
def api_without_digests(sandbox: Sandbox, generation: int) -> Iterator[tuple[API, DigestOmittingTransport]]:
    network = DigestOmittingTransport()
    with API(sandbox.base_url(generation), sandbox.token, transport=network, retry=RetryPolicy(attempts=1)) as api:
        yield api, network


@pytest.mark.parametrize("if_exists", MODES)
def test_without_digests_a_lost_version_is_recognized_by_its_notes(
    sandbox: Sandbox, api_without_digests: tuple[API, DigestOmittingTransport], model: ModelReference,
    params: CreateVersionParams, time: Time, state: JsonStateStore, if_exists: IfExists,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    api, network = api_without_digests
    network.responses_to_lose = 1
    options: dict[str, Any] = {"if_exists": if_exists, "state": state, "time": time}
    assert publish_with(api, model, params, **options).outcome == "adopted"
    assert publish_with(api, model, params, is_retry=True, **options).outcome == "remembered"
    assert (network.posts, sandbox.numbers(str(model))) == (1, [3, 2, 1])
    assert ("does not report the image" in caplog.text) is (if_exists != "create")


def test_without_digests_and_state_a_killed_try_cannot_be_reconciled(
    api_without_digests: tuple[API, DigestOmittingTransport],
    model: ModelReference,
    params: CreateVersionParams,
    time: Time,
) -> None:
    api, network = api_without_digests
    publish_with(api, model, params)
    with pytest.raises(UnresolvedPublishError, match="the service does not report its image"):
        publish_with(api, model, params, is_retry=True, time=time)
    assert network.posts == 1
    # A version with other notes is not from this task.
    other: CreateVersionParams = {**params, "release_notes": "other"}
    assert publish_with(api, model, other, is_retry=True, time=time).outcome == "created"


@pytest.mark.parametrize("reported", ["", "registry/det@sha256:" + "ab" * 32, "SHA256:" + "AB" * 32, None, 7])
def test_anything_but_a_digest_counts_as_unknown(params: CreateVersionParams, time: Time, reported: object) -> None:
    """A lost create request is not repeated because the service reports something other than a digest."""
    stored: list[dict[str, Any]] = []

    def respond(request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            stored.append({"number": 7 + len(stored), **params, "container_image_digest": reported})
            return httpx.Response(502)
        if request.url.path.endswith("/versions"):
            return httpx.Response(200, json={"items": stored[::-1]})
        return httpx.Response(200, json=stored[0])

    model = ModelReference.parse("acme/det")
    with API(transport=httpx.MockTransport(respond)) as api:
        published = publish_with(api, model, params, time)
    assert (published.outcome, published.version.digest, len(stored)) == ("adopted", None, 1)


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
    network.after_post = lambda: someone_else_publishes(sandbox, model, params, created_at=behind)
    with API(f"{faulty[0]}/generation-1/v1", sandbox.token, transport=network) as api:
        published = publish_with(api, model, params, if_exists=if_exists, time=time)
    assert (published.outcome, network.posts) == ("adopted", 1)


@pytest.mark.parametrize("if_exists", MODES)
def test_without_usable_times_no_second_version_is_created(
    params: CreateVersionParams, model: ModelReference, time: Time, if_exists: IfExists
) -> None:
    """The times have no zone, and there are more versions than fit on a page."""
    stored: list[dict[str, Any]] = [
        {"id": f"id-{n}", "created_at": f"2026-01-01T00:00:{n:02}", "release_notes": "x", "schemas": {},
         "container_image_digest": f"sha256:{n:064x}"}
        for n in range(10)
    ]  # fmt: skip
    posts = 0

    def respond(request: httpx.Request) -> httpx.Response:
        nonlocal posts
        if request.method == "POST":
            posts += 1
            stored.append({"id": "id-new", "created_at": "2026-01-02T00:00:00", **params})
            return httpx.Response(504)
        listed = list(reversed(stored))
        first = "cursor" not in request.url.params
        return httpx.Response(
            200, json={"items": listed[:5] if first else listed[5:], "next_cursor": "rest" if first else None}
        )

    with API(transport=httpx.MockTransport(respond)) as api:
        options: dict[str, Any] = {"if_exists": if_exists, "lookback": 5, "time": time}
        if if_exists == "reuse":
            assert publish_with(api, model, params, **options).outcome == "adopted"
        else:
            with pytest.raises(UnresolvedPublishError, match="its creation time does not distinguish them"):
                publish_with(api, model, params, **options)
    assert posts == 1


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
def test_if_exists_applies_to_a_version_that_someone_else_created_meanwhile(
    sandbox: Sandbox, publish_it: Publish, model: ModelReference, faults: Faults, network: Network,
    params: CreateVersionParams, if_exists: IfExists,
) -> None:  # fmt: skip
    faults.add([Fault(method="POST", execute="never", response="drop")])
    network.after_post = lambda: someone_else_publishes(sandbox, model, params, release_notes="theirs")
    match if_exists:
        case "reuse":
            # Any version of the image will do, whoever created it.
            assert publish_it(if_exists=if_exists).outcome == "reused"
        case "fail":
            with pytest.raises(VersionExistsError):
                publish_it(if_exists=if_exists)
        case "create":
            assert publish_it(if_exists=if_exists).outcome == "created"
    assert sandbox.numbers(str(model))[0] == (4 if if_exists == "create" else 3)


def test_notes_match_although_the_service_normalizes_their_white_space(
    sandbox: Sandbox, publish_it: Publish, model: ModelReference, faults: Faults, network: Network,
    params: CreateVersionParams,
) -> None:  # fmt: skip
    faults.add([Fault(method="POST", execute="never", response="drop")])
    network.after_post = lambda: someone_else_publishes(sandbox, model, params, release_notes="new notes")
    assert publish_it(params={"release_notes": " new\nnotes\n"}, if_exists="create").outcome == "adopted"


def test_a_lost_version_is_found_behind_many_newer_ones(
    sandbox: Sandbox, publish_it: Publish, model: ModelReference, faults: Faults, network: Network,
    params: CreateVersionParams,
) -> None:  # fmt: skip
    faults.add([Fault(method="POST", response="drop")])

    def others_publish() -> None:
        for number in range(60):
            someone_else_publishes(
                sandbox, model, params, release_notes="x", container_image_digest=f"sha256:{number:064x}"
            )

    network.after_post = others_publish
    published = publish_it(if_exists="create")
    assert published.outcome == "adopted"
    assert published.version.release_notes == "new"


def test_an_old_version_is_not_adopted_after_all_newer_ones_were_deleted(
    sandbox: Sandbox, publish_it: Publish, model: ModelReference, faults: Faults, network: Network,
    params: CreateVersionParams,
) -> None:  # fmt: skip
    publish_it()
    for number in range(12):
        someone_else_publishes(sandbox, model, params, container_image_digest=f"sha256:{number:064x}")
    faults.add([Fault(method="POST", execute="never", response="drop")])

    def prune_all_but_the_image() -> None:
        for version in sandbox.store.versions(model.owner, model.name):
            if version.number != 3:
                sandbox.store.delete_version(version)

    network.after_post = prune_all_but_the_image
    assert publish_it(if_exists="create").outcome == "created"
    assert network.posts == 3  # the first version, the lost create, and the one after it
