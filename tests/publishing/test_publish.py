"""Publishing against the sandbox, with answers lost on the way."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from airflow_provider_wriftai.client.api import API
from airflow_provider_wriftai.client.errors import ConnectionFailedError, NotFoundError
from airflow_provider_wriftai.client.references import ModelReference
from airflow_provider_wriftai.client.retrying import RetryPolicy
from airflow_provider_wriftai.client.versions import CreateVersionParams, Versions
from airflow_provider_wriftai.publishing.errors import UnsettledPublishError, VersionExistsError
from airflow_provider_wriftai.publishing.publish import IfExists, publish


class Faulty(httpx.HTTPTransport):
    """The network, but for the POSTs that a test wants to go wrong."""

    def __init__(self) -> None:
        super().__init__()
        self.lose_answer = False
        self.lose_request = False
        self.posts = 0
        self.gets = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            self.posts += 1
            if self.lose_request:
                raise httpx.ReadTimeout("lost before the work was done", request=request)
            response = super().handle_request(request)
            if self.lose_answer:
                response.close()
                raise httpx.RemoteProtocolError("lost after the work was done", request=request)
            return response
        self.gets += 1
        return super().handle_request(request)


@pytest.fixture
def network() -> Faulty:
    return Faulty()


@pytest.fixture
def versions(sandbox: Any, generation: int, network: Faulty) -> Iterator[Versions]:
    with API(sandbox.base_url(generation), sandbox.token, transport=network, retry=RetryPolicy(attempts=1)) as api:
        yield Versions(api)


@pytest.fixture
def params(digest: str, schemas: Any) -> CreateVersionParams:
    return {"release_notes": "new", "schemas": schemas, "container_image_digest": digest}


def _no_sleep(seconds: float) -> None:
    pass


def test_a_new_image_gets_a_version(
    sandbox: Any, versions: Versions, params: CreateVersionParams, network: Faulty, generation: int
) -> None:
    model = sandbox.new_model(versions=3)
    published = publish(versions, ModelReference.parse(model), params)
    assert published.how == "created"
    assert published.version["container_image_digest"] == params["container_image_digest"]
    assert sandbox.numbers(model) == [4, 3, 2, 1]
    # Generation 2 lists carry no digest: one more request for each version that is looked at.
    assert (network.gets, network.posts) == ((1, 1) if generation == 1 else (4, 1))


def test_an_image_that_has_a_version_gets_no_second_one(
    sandbox: Any, versions: Versions, params: CreateVersionParams, caplog: pytest.LogCaptureFixture
) -> None:
    model = sandbox.new_model(versions=3)
    first = publish(versions, ModelReference.parse(model), params)
    with caplog.at_level(logging.WARNING):
        again = publish(versions, ModelReference.parse(model), {**params, "release_notes": "other"})
    assert again.how == "reused"
    assert again.version["reference"] == first.version["reference"]
    assert "other release_notes than were asked for" in caplog.text
    assert sandbox.numbers(model) == [4, 3, 2, 1]


def test_fail_names_the_version_that_is_there(sandbox: Any, versions: Versions, params: CreateVersionParams) -> None:
    model = ModelReference.parse(sandbox.new_model())
    first = publish(versions, model, params)
    with pytest.raises(VersionExistsError) as caught:
        publish(versions, model, params, if_exists="fail")
    assert caught.value.reference == first.version["reference"]
    assert sandbox.numbers(str(model)) == [1]


def test_create_makes_another_one(sandbox: Any, versions: Versions, params: CreateVersionParams) -> None:
    model = ModelReference.parse(sandbox.new_model())
    publish(versions, model, params)
    assert publish(versions, model, params, if_exists="create").how == "created"
    assert sandbox.numbers(str(model)) == [2, 1]


def test_only_the_newest_are_searched(sandbox: Any, versions: Versions, params: CreateVersionParams) -> None:
    model = sandbox.new_model()
    publish(versions, ModelReference.parse(model), params)
    owner, name = model.split("/")
    for number in range(3):
        sandbox.store.create_version(
            owner, name, release_notes="x", schemas=params["schemas"], container_image_digest=f"sha256:{number:064x}"
        )
    assert publish(versions, ModelReference.parse(model), params, lookback=3).how == "created"
    assert publish(versions, ModelReference.parse(model), params, lookback=1).how == "reused"


@pytest.mark.parametrize("if_exists", ["reuse", "fail", "create"])
def test_a_version_whose_answer_was_lost_is_adopted(
    sandbox: Any, versions: Versions, params: CreateVersionParams, network: Faulty, if_exists: IfExists
) -> None:
    model = sandbox.new_model(versions=2)
    network.lose_answer = True
    published = publish(versions, ModelReference.parse(model), params, if_exists=if_exists, sleep=_no_sleep)
    assert published.how == "adopted"
    assert published.version["container_image_digest"] == params["container_image_digest"]
    assert network.posts == 1
    assert sandbox.numbers(model) == [3, 2, 1]


def test_an_older_version_of_the_image_is_not_mistaken_for_the_lost_one(
    sandbox: Any, versions: Versions, params: CreateVersionParams, network: Faulty
) -> None:
    model = sandbox.new_model(versions=2)
    first = publish(versions, ModelReference.parse(model), params)
    network.lose_request = True
    with pytest.raises(UnsettledPublishError):
        publish(versions, ModelReference.parse(model), params, if_exists="create", sleep=_no_sleep)
    network.lose_request, network.lose_answer = False, True
    second = publish(versions, ModelReference.parse(model), params, if_exists="create", sleep=_no_sleep)
    assert second.version["reference"] != first.version["reference"]
    assert sandbox.numbers(model) == [4, 3, 2, 1]


def test_what_cannot_be_told_is_said_and_the_next_try_settles_it(
    sandbox: Any, versions: Versions, params: CreateVersionParams, network: Faulty
) -> None:
    model = sandbox.new_model(versions=2)
    waited: list[float] = []
    network.lose_request = True
    with pytest.raises(UnsettledPublishError, match="It is not known whether a version") as caught:
        publish(versions, ModelReference.parse(model), params, sleep=waited.append)
    assert isinstance(caught.value.__cause__, ConnectionFailedError)
    assert (network.posts, sum(waited)) == (1, 15)
    network.lose_request = False
    assert publish(versions, ModelReference.parse(model), params).how == "created"
    assert sandbox.numbers(model) == [3, 2, 1]


def test_a_version_that_appears_late_is_adopted(
    sandbox: Any, versions: Versions, params: CreateVersionParams, network: Faulty
) -> None:
    model = sandbox.new_model(versions=2)
    owner, name = model.split("/")
    waits = 0

    def sleep(seconds: float) -> None:
        nonlocal waits
        waits += 1
        if waits == 3:
            sandbox.store.create_version(
                owner, name, release_notes="new", schemas=params["schemas"],
                container_image_digest=params["container_image_digest"],
            )  # fmt: skip

    network.lose_request = True
    assert publish(versions, ModelReference.parse(model), params, sleep=sleep).how == "adopted"
    assert waits == 3
    assert sandbox.numbers(model) == [3, 2, 1]


def test_a_clear_refusal_is_raised_as_it_is(sandbox: Any, versions: Versions, params: CreateVersionParams) -> None:
    with pytest.raises(NotFoundError):
        publish(versions, ModelReference.parse("acme/no-such-model"), params)


def test_a_digest_that_the_list_leaves_open_is_looked_up(params: CreateVersionParams) -> None:
    """Some lists have the field, but nothing in it."""

    def answer(request: httpx.Request) -> httpx.Response:
        assert request.method == "GET"
        if request.url.path.endswith("/versions"):
            return httpx.Response(200, json={"items": [{"number": 7, "container_image_digest": None}]})
        return httpx.Response(200, json={"number": 7, "container_image_digest": params["container_image_digest"]})

    with API(transport=httpx.MockTransport(answer)) as api:
        published = publish(Versions(api), ModelReference.parse("acme/det"), params)
    assert (published.how, published.version["reference"]) == ("reused", "acme/det:7")


def test_an_old_version_is_not_adopted_though_all_that_was_known_is_gone(
    sandbox: Any, versions: Versions, params: CreateVersionParams, network: Faulty
) -> None:
    model = sandbox.new_model()
    owner, name = model.split("/")
    publish(versions, ModelReference.parse(model), params)
    for number in range(12):
        sandbox.store.create_version(
            owner, name, release_notes="x", schemas=params["schemas"], container_image_digest=f"sha256:{number:064x}"
        )

    def prune_all_but_the_oldest(seconds: float) -> None:
        for version in sandbox.store.versions(owner, name)[:-1]:
            sandbox.store.delete_version(version)

    network.lose_request = True
    with pytest.raises(UnsettledPublishError):
        publish(versions, ModelReference.parse(model), params, if_exists="create", sleep=prune_all_but_the_oldest)
