"""The fields of every shape that the API has had."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from airflow_provider_wriftai.client.api import API
from airflow_provider_wriftai.client.versions import Versions
from airflow_provider_wriftai.sandbox.app import create_app
from airflow_provider_wriftai.sandbox.server import running
from airflow_provider_wriftai.sandbox.shapes import SHAPES, shape_of
from tests.support.sandbox import Sandbox

NAMES = [shape.name for shape in SHAPES]

URLS = {"next_url", "previous_url"}
SUMMARY = {"number", "release_notes", "created_at"}
DIGEST = {"container_image_digest"}
WHOLE = {"id", "release_notes", "created_at", "schemas", "container_image_digest"}
DETAILS = SUMMARY | DIGEST | {"schemas"}
FLAGS = {
    "openai_chat_completions",
    "openai_embeddings",
    "openai_images_generations",
    "openai_responses",
    "anthropic_messages",
}
NESTED = DETAILS | {"compatibilities"}

# The fields of a list item, the fields of a page beside its items and cursors, the fields of a version, and the fields
# that the response to a create has in addition.
FIELDS: dict[str, tuple[set[str], set[str], set[str], set[str]]] = {
    "0.1": (WHOLE, URLS, WHOLE, set()),
    "0.14": (SUMMARY | DIGEST, URLS, DETAILS, set()),
    "0.24": (SUMMARY | DIGEST, URLS, DETAILS | FLAGS, set()),
    "0.27": (SUMMARY | DIGEST, URLS, NESTED, set()),
    "0.31": (SUMMARY | DIGEST, set(), NESTED, {"configuration"}),
    "0.33": (SUMMARY, set(), NESTED | {"size"}, {"configuration"}),
}


@pytest.fixture
def http(sandbox: Sandbox) -> Iterator[httpx.Client]:
    headers = {"authorization": f"Bearer {sandbox.token}"}
    with httpx.Client(base_url=f"{sandbox.url}/shapes", headers=headers) as client:
        yield client


def _body(digest: str, schemas: Any, **changes: Any) -> dict[str, Any]:
    return {"release_notes": "x", "schemas": schemas, "container_image_digest": digest} | changes


@pytest.mark.parametrize("shape", NAMES)
def test_the_fields(sandbox: Sandbox, http: httpx.Client, digest: str, schemas: Any, shape: str) -> None:
    model = sandbox.new_model(versions=5)
    path = f"/{shape}/v1/models/{model}/versions"
    item, page, details, created = FIELDS[shape]
    new = http.post(path, json=_body(digest, schemas)).json()
    assert set(new) == details | created
    one = f"/{shape}/v1/versions/{new['id']}" if shape == "0.1" else f"{path}/6"
    assert http.get(one).json() == {key: value for key, value in new.items() if key not in created}
    listed = http.get(path, params={"page_size": 5}).json()
    assert set(listed) == {"items", "next_cursor", "previous_cursor"} | page
    assert {frozenset(each) for each in listed["items"]} == {frozenset(item)}
    assert bool(listed.get("next_url")) == bool(page)
    configuration = http.get(f"{path}/6/configuration")
    assert configuration.status_code == (200 if created else 404)
    assert http.delete(one).status_code == 204


@pytest.mark.parametrize("shape", NAMES)
@pytest.mark.parametrize(
    ("sent", "known_in"),
    [
        ({"openai_responses": True}, {"0.24"}),
        ({"compatibilities": {"openai_responses": True}}, {"0.27", "0.31", "0.33"}),
    ],
)
def test_the_flags_are_kept_or_refused(
    sandbox: Sandbox, http: httpx.Client, digest: str, schemas: Any, shape: str, sent: Any, known_in: set[str]
) -> None:
    model = sandbox.new_model()
    response = http.post(f"/{shape}/v1/models/{model}/versions", json=_body(digest, schemas, **sent))
    assert response.status_code == (201 if shape in known_in else 422)
    kept = [version.compatibilities for version in sandbox.store.versions(*model.split("/"))]
    assert kept == ([{flag: flag == "openai_responses" for flag in FLAGS}] if shape in known_in else [])


@pytest.mark.parametrize("shape", NAMES)
def test_a_configuration_is_kept_or_refused(
    sandbox: Sandbox, http: httpx.Client, digest: str, schemas: Any, shape: str
) -> None:
    path = f"/{shape}/v1/models/{sandbox.new_model()}/versions"
    configuration = {"hardware_identifier": "gpu", "variable_names": ["KEY"]}
    response = http.post(path, json=_body(digest, schemas, configuration=configuration))
    assert response.status_code == (201 if shape in ("0.31", "0.33") else 422)
    if response.status_code == 201:
        assert http.get(f"{path}/1/configuration").json() == configuration


@pytest.mark.parametrize("shape", NAMES)
def test_our_client_reads_it(sandbox: Sandbox, digest: str, schemas: Any, shape: str) -> None:
    owner, name = sandbox.new_model(versions=5).split("/")
    with API(f"{sandbox.url}/shapes/{shape}/v1", sandbox.token) as api:
        versions = Versions(api)
        created = versions.create(
            owner, name, {"release_notes": "x", "schemas": schemas, "container_image_digest": digest}
        )
        version = versions.get(created["reference"])
        page = versions.list(owner, name, {"page_size": 5})
        following = versions.list(owner, name, {"page_size": 5, "cursor": page.next_cursor or ""})
        versions.delete(created["reference"])
    assert (version["reference"], version["container_image_digest"]) == (created["reference"], digest)
    assert len(page.items) + len(following.items) == 6
    assert page.items[0]["reference"] == created["reference"]
    assert sandbox.numbers(f"{owner}/{name}") == [5, 4, 3, 2, 1]


@pytest.mark.parametrize(
    ("client", "shape"),
    [("0.1", "0.1"), ("0.13.0", "0.1"), ("0.14.0", "0.14"), ("0.23", "0.14"), ("0.26.0", "0.24"), ("0.30.0", "0.27"),
     ("0.31.9", "0.31"), ("0.34.0", "0.33"), ("1.0", "0.33")],
)  # fmt: skip
def test_a_client_gets_the_shape_of_its_release(sandbox: Sandbox, client: str, shape: str) -> None:
    assert shape_of(client).name == shape
    path = f"models/{sandbox.new_model(versions=1)}/versions"
    with running(create_app(sandbox.store, shape=client)) as url:
        assert httpx.get(f"{url}/v1/{path}").json() == httpx.get(f"{sandbox.url}/shapes/{shape}/v1/{path}").json()


@pytest.mark.parametrize("client", ["", "0", "x", "0.x", "0.0", "0.1.2.3", "\u0660.\u0661", "-1.2"])
def test_an_unknown_release_of_the_client_is_refused(client: str) -> None:
    with pytest.raises(ValueError, match=r"is not a release of the official client|is older than"):
        shape_of(client)


def test_lists_can_include_the_digest(sandbox: Sandbox) -> None:
    path = f"models/{sandbox.new_model(versions=1)}/versions"
    with running(create_app(sandbox.store, digest_in_lists=True)) as url:
        for base in ("/v1", "/generation-2/v1", "/shapes/0.33/v1"):
            assert set(httpx.get(f"{url}{base}/{path}").json()["items"][0]) == SUMMARY | DIGEST
