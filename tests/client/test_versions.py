"""The versions module against the sandbox, over a real socket, in both generations, sync and async."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from airflow_provider_wriftai.client.api import API
from airflow_provider_wriftai.client.errors import (
    AuthenticationError,
    ConnectionFailedError,
    InvalidReferenceError,
    InvalidRequestError,
    NotFoundError,
    PermissionDeniedError,
    UnreadableResponseError,
)
from airflow_provider_wriftai.client.retrying import RetryPolicy
from airflow_provider_wriftai.client.versions import Versions
from tests.support.ports import free_port
from tests.support.sandbox import Sandbox

Do = Callable[..., Any]


@pytest.fixture(params=["sync", "async"])
def do(request: pytest.FixtureRequest, api: API) -> Do:
    """Call a method of the versions module by its name, synchronously or asynchronously."""

    def call_sync(method: str, *arguments: Any) -> Any:
        return getattr(Versions(api), method)(*arguments)

    def call_async(method: str, *arguments: Any) -> Any:
        async def run() -> Any:
            async with api:
                return await getattr(Versions(api), f"async_{method}")(*arguments)

        return asyncio.run(run())

    return call_sync if request.param == "sync" else call_async


def test_create_get_list_delete(sandbox: Sandbox, do: Do, digest: str, schemas: Any, generation: int) -> None:
    owner, name = sandbox.new_model(versions=2).split("/")
    params = {"release_notes": "new", "schemas": schemas, "container_image_digest": digest}

    created = do("create", owner, name, params)
    assert created["release_notes"] == "new"
    assert created["container_image_digest"] == digest
    reference = created["reference"]
    assert reference == (created["id"] if generation == 1 else f"{owner}/{name}:3")

    assert do("get", reference)["schemas"] == schemas
    assert do("list", owner, name).items[0]["reference"] == reference

    assert do("delete", reference) is None
    with pytest.raises(NotFoundError):
        do("get", reference)
    with pytest.raises(NotFoundError):
        do("delete", reference)
    assert sandbox.numbers(f"{owner}/{name}") == [2, 1]


def test_pages(sandbox: Sandbox, do: Do) -> None:
    owner, name = sandbox.new_model(versions=12).split("/")
    first = do("list", owner, name, {"page_size": 5})
    assert [len(first.items), first.previous_cursor] == [5, None]
    second = do("list", owner, name, {"page_size": 5, "cursor": first.next_cursor})
    third = do("list", owner, name, {"page_size": 5, "cursor": second.next_cursor})
    assert [len(third.items), third.next_cursor] == [2, None]
    back = do("list", owner, name, {"page_size": 5, "cursor": third.previous_cursor})
    assert back.items == second.items
    notes = [version["release_notes"] for page in (first, second, third) for version in page.items]
    assert notes == [f"Nightly build {number}" for number in range(12, 0, -1)]
    assert first.served_at is not None


def test_every_page(sandbox: Sandbox, versions: Versions) -> None:
    owner, name = sandbox.new_model(versions=103).split("/")
    pages = list(versions.iterate_pages(owner, name))
    assert [len(page.items) for page in pages] == [50, 50, 3]

    async def count() -> list[int]:
        async with versions._api:
            return [len(page.items) async for page in versions.aiterate_pages(owner, name)]

    assert asyncio.run(count()) == [50, 50, 3]


def test_refusals(sandbox: Sandbox, do: Do, digest: str, schemas: Any) -> None:
    model = sandbox.new_model()
    owner, name = model.split("/")
    invalid = {
        "release_notes": "x" * 256,
        "schemas": {"prediction": {"input": {"type": 7}}},
        "container_image_digest": "x",
    }
    with pytest.raises(InvalidRequestError) as caught:
        do("create", owner, name, invalid)
    assert {problem.field for problem in caught.value.fields} == {
        "body.release_notes",
        "body.schemas.prediction.input",
        "body.schemas.prediction.output",
        "body.container_image_digest",
    }
    with pytest.raises(InvalidRequestError, match=r"query\.page_size"):
        do("list", owner, name, {"page_size": 51})
    with pytest.raises(InvalidRequestError, match=r"query\.cursor"):
        do("list", owner, name, {"cursor": "nonsense"})
    with pytest.raises(NotFoundError):
        do("list", owner, "no-such-model")
    sandbox.store.add_model("other", "model")
    with pytest.raises(PermissionDeniedError):
        do("create", "other", "model", {"release_notes": "x", "schemas": schemas, "container_image_digest": digest})
    assert sandbox.numbers(model) == []


def test_reads_need_no_token_and_writes_do(sandbox: Sandbox, generation: int, digest: str, schemas: Any) -> None:
    owner, name = sandbox.new_model(versions=1).split("/")
    with API(sandbox.base_url(generation)) as api:
        versions = Versions(api)
        (version,) = versions.list(owner, name).items
        with pytest.raises(AuthenticationError, match="access token"):
            versions.delete(version["reference"])
        with pytest.raises(AuthenticationError):
            versions.create(owner, name, {"release_notes": "x", "schemas": schemas, "container_image_digest": digest})
    with API(sandbox.base_url(generation), "wrong") as api, pytest.raises(AuthenticationError):
        Versions(api).list(owner, name)
    assert sandbox.numbers(f"{owner}/{name}") == [1]


@pytest.mark.parametrize("reference", ["..", "acme/../x:1", "a/b:0", "", "a?b"])
def test_nothing_is_sent_for_an_invalid_reference(reference: str) -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise AssertionError(request.url)

    with API(transport=httpx.MockTransport(refuse)) as api:
        versions = Versions(api)
        with pytest.raises(InvalidReferenceError):
            versions.get(reference)
        with pytest.raises(InvalidReferenceError):
            versions.delete(reference)
        with pytest.raises(InvalidReferenceError):
            versions.list("acme", "..")


def test_segments_are_percent_encoded() -> None:
    paths: list[bytes] = []

    def record(request: httpx.Request) -> httpx.Response:
        paths.append(request.url.raw_path)
        return httpx.Response(200, json={"items": [], "next_cursor": None})

    with API("https://h/base/v1", transport=httpx.MockTransport(record)) as api:
        Versions(api).list("ac&me", "dét@1;=+", {"cursor": "a/b+c=&?", "page_size": 5})
    assert paths == [b"/base/v1/models/ac%26me/d%C3%A9t%401%3B%3D%2B/versions?cursor=a%2Fb%2Bc%3D%26%3F&page_size=5"]


@pytest.mark.parametrize(
    ("response", "problem"),
    [
        (httpx.Response(200, text="<html>login</html>"), "not acceptable JSON"),
        (httpx.Response(200, content=b""), "not acceptable JSON"),
        (httpx.Response(200, json=[]), "a JSON list instead of an object"),
        (httpx.Response(200, json={"results": []}), "without a list of 'items'"),
        (httpx.Response(200, json={"items": [3]}), "a version that is a JSON int"),
        (httpx.Response(200, json={"items": [{"release_notes": "x"}]}), "without a usable 'number' or 'id'"),
        (httpx.Response(200, json={"items": [{"number": True}]}), "without a usable 'number' or 'id'"),
        (httpx.Response(200, json={"items": [{"id": "../x"}]}), "cannot be used in a request"),
        (httpx.Response(200, json={"items": [], "next_cursor": 7}), "'next_cursor' is a JSON int"),
        (httpx.Response(200, content=b"[" * 200_000), "not acceptable JSON"),
        (httpx.Response(200, content=b'{"items": [], "next_cursor": NaN}'), "not acceptable JSON"),
        (httpx.Response(200, json={"items": [], "next_cursor": "x" * 70_000}), "'next_cursor' is a JSON str"),
        (httpx.Response(200, json={"items": [{"number": 10**30}]}), "without a usable 'number' or 'id'"),
    ],
)
def test_a_body_that_breaks_the_contract_is_a_clear_error(response: httpx.Response, problem: str) -> None:
    with API(transport=httpx.MockTransport(lambda request: response)) as api:
        with pytest.raises(UnreadableResponseError) as caught:
            Versions(api).list("acme", "det")
    assert problem in str(caught.value)
    assert str(caught.value).startswith("GET https://api.wrift.ai/v1/models/acme/det/versions returned 200 with")


def test_unknown_fields_are_kept_and_optional_ones_may_be_missing() -> None:
    item = {"number": 3, "new_field": {"x": 1}}
    body = {"items": [item], "next_cursor": None, "total": 1}
    with API(transport=httpx.MockTransport(lambda request: httpx.Response(200, json=body))) as api:
        page = Versions(api).list("acme", "det")
    assert page.items == [{**item, "reference": "acme/det:3"}]
    assert page.previous_cursor is None


@pytest.mark.parametrize(
    "response", [httpx.Response(204), httpx.Response(200, json={"deleted": True}), httpx.Response(202, text="ok")]
)
def test_delete_takes_any_success(response: httpx.Response) -> None:
    with API(transport=httpx.MockTransport(lambda request: response)) as api:
        Versions(api).delete("acme/det:1")


def test_redirects_are_not_followed() -> None:
    def redirect(request: httpx.Request) -> httpx.Response:
        assert request.url.host == "api.wrift.ai"
        return httpx.Response(307, headers={"location": "https://evil.example/"})

    with API(access_token="token-of-acme", transport=httpx.MockTransport(redirect)) as api:
        with pytest.raises(Exception, match=r"307 Temporary Redirect: to https://evil\.example/"):
            Versions(api).get("acme/det:1")


def test_a_body_that_is_too_large_is_refused_while_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airflow_provider_wriftai.client.exchange.LARGEST_RESPONSE", 1000)
    sent = 0

    def endless() -> Any:
        nonlocal sent
        while True:
            sent += 100
            yield b"x" * 100

    transport = httpx.MockTransport(lambda request: httpx.Response(200, content=endless()))
    with API(transport=transport) as api, pytest.raises(UnreadableResponseError, match="the limit for a response"):
        Versions(api).get("acme/det:1")
    assert sent <= 1200


def test_a_refused_connection_is_not_ambiguous() -> None:
    with API(f"http://127.0.0.1:{free_port()}/v1", retry=RetryPolicy(attempts=1)) as api:
        with pytest.raises(ConnectionFailedError) as caught:
            Versions(api).get("acme/det:1")
    assert not caught.value.ambiguous


def test_the_documented_signatures() -> None:
    documented = {
        "get": ["version_id"],
        "list": ["model_owner", "model_name", "pagination_options"],
        "delete": ["version_id"],
        "create": ["model_owner", "model_name", "options"],
    }
    for name, parameters in documented.items():
        for method in (getattr(Versions, name), getattr(Versions, f"async_{name}")):
            assert list(inspect.signature(method).parameters) == ["self", *parameters]
        assert inspect.iscoroutinefunction(getattr(Versions, f"async_{name}"))


def test_values_that_airflow_cannot_store_are_replaced() -> None:
    body = b'{"number": 3, "release_notes": "a\\ud800b \\ud83d\\ude00", "size": 99999999999999999999999}'
    with API(transport=httpx.MockTransport(lambda request: httpx.Response(200, content=body))) as api:
        version = Versions(api).get("acme/det:3")
    assert version["release_notes"] == "a?b \U0001f600"
    assert version["size"] == 1e23


@pytest.mark.parametrize("date", ["", "yesterday", "Mon, 01 Jan 2024 00:00:00 +99999999999999999999", "0"])
def test_an_invalid_date_is_ignored(date: str) -> None:
    response = httpx.Response(200, json={"items": []}, headers={"date": date})
    with API(transport=httpx.MockTransport(lambda request: response)) as api:
        assert Versions(api).list("acme", "det").served_at is None
