"""Search for the image: how many requests, which versions, and what decides."""

from __future__ import annotations

import httpx
import pytest

from airflow_provider_wriftai.client.api import API
from airflow_provider_wriftai.client.references import ModelReference
from airflow_provider_wriftai.client.versions import CreateVersionParams
from airflow_provider_wriftai.domain.publishing.errors import UnresolvedPublishError
from airflow_provider_wriftai.domain.publishing.options import IfExists
from airflow_provider_wriftai.sandbox.app import create_app
from airflow_provider_wriftai.sandbox.faults import Fault, Faults
from airflow_provider_wriftai.sandbox.server import running
from tests.support.publishing import (
    MODES,
    Network,
    Publish,
    publish_with,
    someone_else_publishes,
)
from tests.support.sandbox import Sandbox


@pytest.mark.parametrize("existing", [0, 3, 30])
@pytest.mark.parametrize("if_exists", MODES)
def test_a_new_image_gets_a_version_with_few_requests(
    sandbox: Sandbox, api: API, params: CreateVersionParams, network: Network, generation: int, existing: int,
    if_exists: IfExists,
) -> None:  # fmt: skip
    model = sandbox.new_model(versions=existing)
    published = publish_with(api, ModelReference.parse(model), params, if_exists=if_exists, lookback=10)
    assert published.outcome == "created"
    assert published.version.digest == params["container_image_digest"]
    assert sandbox.numbers(model) == list(range(existing + 1, 0, -1))
    # Lists of generation 2 carry no digest: one more request for each version that is searched.
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
        someone_else_publishes(
            sandbox, model, params, release_notes=notes, container_image_digest=f"sha256:{number:064x}"
        )
    requested: list[str] = []

    class RecordingTransport(httpx.HTTPTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            requested.append(request.url.path.rpartition("/")[2])
            return super().handle_request(request)

    with API(sandbox.base_url(2), sandbox.token, transport=RecordingTransport()) as api:
        publish_with(api, model, params, lookback=6)
    assert requested == ["versions", "6", "4", "7", "5", "3", "2", "versions"]


def test_no_search_goes_further_back_than_lookback(
    sandbox: Sandbox, publish_it: Publish, model: ModelReference, params: CreateVersionParams, faults: Faults
) -> None:
    """A page has at least five versions, but every search stops at a lower lookback."""
    publish_it()
    for number in range(2):
        someone_else_publishes(sandbox, model, params, container_image_digest=f"sha256:{number:064x}")
    faults.add([Fault(method="POST", execute="never", response="drop")])
    assert publish_it(if_exists="fail", lookback=1, is_retry=True).outcome == "created"


def test_a_version_that_stays_listed_but_cannot_be_fetched_may_be_of_the_image(
    publish_it: Publish, sandbox: Sandbox, model: ModelReference, faults: Faults, generation: int
) -> None:
    if generation == 1:
        pytest.skip("its lists contain the digest")
    publish_it()
    faults.add([Fault(method="GET", path=r"/versions/\d", execute="never", status=404, times=100)])
    numbers = sandbox.numbers(str(model))
    with pytest.raises(
        UnresolvedPublishError, match="may be a version of this image: it is listed, but its details cannot"
    ) as caught:
        publish_it()
    assert caught.value.retryable
    assert sandbox.numbers(str(model)) == numbers


def test_known_details_are_not_fetched_again(
    publish_it: Publish, network: Network, faults: Faults, generation: int
) -> None:
    if generation == 1:
        pytest.skip("its lists contain the digest")
    faults.add([Fault(method="GET", path="/versions/1$", execute="never", status=404)])
    assert publish_it().outcome == "created"
    # The list and two versions, then the list and the version that was not found.
    assert network.sent == ["GET"] * 3 + ["GET"] * 2 + ["POST"]


def test_only_the_newest_are_searched(
    sandbox: Sandbox, publish_it: Publish, model: ModelReference, params: CreateVersionParams
) -> None:
    publish_it()
    for number in range(3):
        someone_else_publishes(sandbox, model, params, container_image_digest=f"sha256:{number:064x}")
    assert publish_it(lookback=4).outcome == "reused"
    assert publish_it(lookback=3).outcome == "created"
    assert publish_it(lookback=1).outcome == "reused"


def test_a_digest_that_is_null_in_the_list_is_looked_up(params: CreateVersionParams) -> None:
    """Some lists have the field without a value."""

    def respond(request: httpx.Request) -> httpx.Response:
        assert request.method == "GET"
        if request.url.path.endswith("/versions"):
            return httpx.Response(200, json={"items": [{"number": 7, "container_image_digest": None}]})
        return httpx.Response(200, json={"number": 7, "container_image_digest": params["container_image_digest"]})

    with API(transport=httpx.MockTransport(respond)) as api:
        published = publish_with(api, ModelReference.parse("acme/det"), params)
    assert (published.outcome, str(published.version.reference)) == ("reused", "acme/det:7")
