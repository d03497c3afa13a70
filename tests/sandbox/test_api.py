"""The responses of the sandbox."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from airflow_provider_wriftai.sandbox.app import create_app
from airflow_provider_wriftai.sandbox.bodies import LARGEST_BODY
from airflow_provider_wriftai.sandbox.faults import Fault, Faults
from airflow_provider_wriftai.sandbox.rate_limit import Limit, RateLimit
from airflow_provider_wriftai.sandbox.seed import seed
from airflow_provider_wriftai.sandbox.server import running
from airflow_provider_wriftai.sandbox.shapes import SHAPES
from airflow_provider_wriftai.sandbox.store import Store
from tests.support.sandbox import Sandbox


@pytest.fixture
def http(sandbox: Sandbox) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=sandbox.url, headers={"authorization": f"Bearer {sandbox.token}"}) as client:
        yield client


def _body(digest: str, schemas: Any, **changes: Any) -> dict[str, Any]:
    return {"release_notes": "x", "schemas": schemas, "container_image_digest": digest} | changes


def test_the_shapes_of_generation_1(sandbox: Sandbox, http: httpx.Client, digest: str, schemas: Any) -> None:
    path = f"/generation-1/v1/models/{sandbox.new_model(versions=6)}/versions"
    created = http.post(path, json=_body(digest, schemas))
    assert created.status_code == 201
    version = created.json()
    assert set(version) == {"id", "release_notes", "created_at", "schemas", "container_image_digest"}
    page = http.get(path, params={"page_size": 5}).json()
    assert set(page) == {"items", "next_cursor", "previous_cursor", "next_url", "previous_url"}
    assert page["items"][0] == version
    assert http.get(page["next_url"]).json()["next_cursor"] is None
    assert http.get(f"/generation-1/v1/versions/{version['id']}").json() == version
    deleted = http.delete(f"/generation-1/v1/versions/{version['id']}")
    assert (deleted.status_code, deleted.content) == (204, b"")


def test_the_shapes_of_generation_2(sandbox: Sandbox, http: httpx.Client, digest: str, schemas: Any) -> None:
    path = f"/v1/models/{sandbox.new_model()}/versions"
    created = http.post(path, json=_body(digest, schemas, compatibilities={"openai_embeddings": True})).json()
    listed = {"number", "release_notes", "created_at"}
    detailed = listed | {"schemas", "compatibilities", "size", "container_image_digest"}
    assert set(created) == detailed | {"configuration"}
    assert created["compatibilities"] == {
        "openai_chat_completions": False,
        "openai_embeddings": True,
        "openai_images_generations": False,
        "openai_responses": False,
        "anthropic_messages": False,
    }
    page = http.get(path).json()
    assert set(page) == {"items", "next_cursor", "previous_cursor"}
    assert set(page["items"][0]) == listed
    assert set(http.get(f"{path}/1").json()) == detailed
    assert created["created_at"].endswith("Z")


def test_a_configuration_is_inherited_and_can_be_changed(
    sandbox: Sandbox, http: httpx.Client, digest: str, schemas: Any
) -> None:
    path = f"/v1/models/{sandbox.new_model()}/versions"
    configuration = {"hardware_identifier": "gpu", "variable_names": ["KEY"]}
    assert http.post(path, json=_body(digest, schemas, configuration=configuration)).json()["configuration"] == (
        configuration
    )
    assert http.post(path, json=_body(digest, schemas)).json()["configuration"] == configuration
    changed = http.patch(f"{path}/2/configuration", json={"variable_names": []})
    assert changed.json() == {"hardware_identifier": "gpu", "variable_names": []}
    assert http.get(f"{path}/1/configuration").json() == configuration
    assert http.get(f"{path}/2/configuration").json() == changed.json()


@pytest.mark.parametrize(
    "change", [{"hardware_identifier": None}, {"variable_names": None}, {"variable_names": [1]}, {"gpus": 2}, [], "gpu"]
)
def test_an_invalid_change_of_a_configuration_is_refused(
    sandbox: Sandbox, http: httpx.Client, digest: str, schemas: Any, change: Any
) -> None:
    path = f"/v1/models/{sandbox.new_model(versions=1)}/versions/1/configuration"
    before = http.get(path).json()
    assert http.patch(path, json=change).status_code == 422
    assert http.get(path).json() == before
    assert http.patch(path, json={}).json() == before


def test_additional_members_of_schemas_are_kept(sandbox: Sandbox, http: httpx.Client, digest: str) -> None:
    prediction = {"input": {"default": None}, "output": {}, "stream_output": None, "notes": {"a": None}}
    schemas = {"prediction": prediction, "training": {"input": {}, "output": None}, "x-kept": None}
    for shape in SHAPES:
        path = f"/shapes/{shape.name}/v1/models/{sandbox.new_model()}/versions"
        assert http.post(path, json=_body(digest, schemas)).json()["schemas"] == schemas


@pytest.mark.parametrize("query", [{"page_size": "4"}, {"page_size": "9" * 5000}, {"cursor": "x"}, {"page-size": "5"}])
def test_an_invalid_query_is_refused(sandbox: Sandbox, http: httpx.Client, query: Any) -> None:
    model = sandbox.new_model(versions=1)
    for path in (f"/v1/models/{model}/versions", "/v1/models/acme"):
        assert http.get(path, params=query).status_code == 422


def test_the_models_of_an_owner_come_in_pages(tmp_path: Path) -> None:
    store = Store(tmp_path / "sandbox.db")
    store.add_token("t", "idle")
    for number in range(12):
        store.add_model("acme", f"model-{number}")
        store.add_model("other", f"model-{number}")
    with running(create_app(store)) as url, httpx.Client(base_url=f"{url}/v1") as http:
        pages = [http.get("/models/acme", params={"page_size": 5}).json()]
        while cursor := pages[-1]["next_cursor"]:
            pages.append(http.get("/models/acme", params={"page_size": 5, "cursor": cursor}).json())
        back = http.get("/models/acme", params={"page_size": 5, "cursor": pages[1]["previous_cursor"]}).json()
        assert http.get("/models/idle").json()["items"] == []
        older = http.get(f"{url}/shapes/0.27/v1/models/acme", params={"page_size": 5}).json()
        assert http.get(older["next_url"]).json()["items"] == pages[1]["items"]
    store.close()
    assert [len(page["items"]) for page in pages] == [5, 5, 2]
    items = [item for page in pages for item in page["items"]]
    assert items == [{"name": f"model-{number}", "owner": "acme"} for number in range(11, -1, -1)]
    assert back == pages[0]
    assert set(pages[0]) == {"items", "next_cursor", "previous_cursor"}


@pytest.mark.parametrize("path", ["/v1/models/acme/{name}/versions", "/faults"])
def test_a_body_is_refused_as_soon_as_it_is_too_large(sandbox: Sandbox, path: str) -> None:
    """The test sends the limit and one chunk more, and never the rest."""
    url = urlsplit(sandbox.url)
    path = path.format(name=sandbox.new_model().partition("/")[2])
    head = f"POST {path} HTTP/1.1\r\nhost: {url.netloc}\r\nauthorization: Bearer {sandbox.token}\r\n"
    head += "content-type: application/json\r\n"
    with socket.create_connection((url.hostname, url.port), timeout=30) as connection:
        connection.sendall(f"{head}transfer-encoding: chunked\r\n\r\n".encode())
        chunk = b"10000\r\n" + b" " * 65536 + b"\r\n"
        for _ in range(LARGEST_BODY // 65536 + 1):
            connection.sendall(chunk)
        assert connection.recv(65536).startswith(b"HTTP/1.1 413 ")
    with socket.create_connection((url.hostname, url.port), timeout=30) as connection:
        connection.sendall(f"{head}content-length: {'9' * 30}\r\n\r\n".encode())
        assert connection.recv(65536).split()[1] in (b"400", b"413")
    with socket.create_connection((url.hostname, url.port), timeout=30) as connection:
        connection.sendall(f"{head}content-length: {LARGEST_BODY + 1}\r\n\r\n".encode())
        assert connection.recv(65536).startswith(b"HTTP/1.1 413 ")


def test_the_body_of_a_request_with_a_fault_is_limited_too(
    sandbox: Sandbox, faulty: tuple[str, Faults], faults: Faults
) -> None:
    faults.add([Fault(method="POST", execute="never", status=503)])
    url = f"{faulty[0]}/v1/models/{sandbox.new_model()}/versions"
    assert httpx.post(url, content=b" " * (LARGEST_BODY + 1)).status_code == 413


def test_only_the_owner_of_the_files_can_read_them(tmp_path: Path, schemas: Any, digest: str) -> None:
    folder = tmp_path / "data" / "private"
    before = os.umask(0o022)
    try:
        store = Store(folder / "sandbox.db")
        store.add_model("acme", "det")
        store.create_version("acme", "det", release_notes="x", schemas=schemas, container_image_digest=digest)
    finally:
        os.umask(before)
    files = {file.name: stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()}
    store.close()
    assert files == {"sandbox.db": 0o600, "sandbox.db-wal": 0o600, "sandbox.db-shm": 0o600}
    assert {stat.S_IMODE(each.stat().st_mode) for each in (folder, folder.parent)} == {0o700}


def test_a_number_is_never_reused(sandbox: Sandbox, http: httpx.Client, digest: str, schemas: Any) -> None:
    path = f"/v1/models/{sandbox.new_model(versions=2)}/versions"
    assert http.delete(f"{path}/2").status_code == 204
    assert http.post(path, json=_body(digest, schemas)).json()["number"] == 3


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"release_notes": "x" * 256}, "release_notes"),
        ({"release_notes": 7}, "release_notes"),
        ({"container_image_digest": "sha256:" + "A" * 64}, "container_image_digest"),
        ({"container_image_digest": "sha256:" + "a" * 64 + "\n"}, "container_image_digest"),
        ({"schemas": {"prediction": {"input": [], "output": {}}}}, "schemas.prediction.input"),
        ({"schemas": {"prediction": {"input": {"type": "x"}, "output": {}}}}, "schemas.prediction.input"),
        ({"configuration": {"hardware_identifier": "gpu"}}, "configuration.variable_names"),
        ({"configuration": {"hardware_identifier": "gpu", "variable_names": [], "gpus": 2}}, "configuration.gpus"),
        ({"compatibilities": {"openai_embeddings": 1}}, "compatibilities.openai_embeddings"),
        ({"compatibilities": {"openai_embedings": True}}, "compatibilities.openai_embedings"),
        ({"openai_embeddings": True}, "openai_embeddings"),
        ({"notes": "x"}, "notes"),
    ],
)
def test_422_names_the_field(
    sandbox: Sandbox, http: httpx.Client, digest: str, schemas: Any, changes: Any, field: str
) -> None:
    model = sandbox.new_model()
    response = http.post(f"/v1/models/{model}/versions", json=_body(digest, schemas) | changes)
    assert response.status_code == 422
    (problem,) = response.json()["detail"]
    assert set(problem) == {"loc", "msg", "type"}
    assert ".".join(problem["loc"]) == f"body.{field}"
    assert sandbox.numbers(model) == []


@pytest.mark.parametrize("content", [b"", b"{", b"[" * 100_000, b"\xff", b"[]", b'"x"'])
def test_422_for_a_body_that_is_not_an_object(sandbox: Sandbox, http: httpx.Client, content: bytes) -> None:
    assert http.post(f"/v1/models/{sandbox.new_model()}/versions", content=content).status_code == 422


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/nothing", 404),
        ("GET", "/v1/models/acme/none/versions", 404),
        ("GET", "/v1/models/acme/none/versions/1", 404),
        ("GET", f"/v1/models/acme/none/versions/{10**30}", 404),
        ("GET", "/v1/models/acme/none/versions/" + "9" * 5000, 404),
        ("DELETE", "/v1/models/acme/none/versions/" + "9" * 5000, 404),
        ("GET", "/v1/models/acme/none/versions/" + "9" * 5000 + "/configuration", 404),
        ("GET", "/generation-1/v1/versions/" + "9" * 5000, 404),
        ("GET", "/v1/models/acme/none/versions/-1", 404),
        ("GET", "/v1/models/nobody", 404),
        ("GET", "/v1/versions/some-id", 404),
        ("GET", "/generation-1/v1/versions/some-id", 404),
        ("PUT", "/v1/models/acme/none/versions", 405),
    ],
)
def test_errors_are_json(http: httpx.Client, method: str, path: str, status: int) -> None:
    response = http.request(method, path)
    assert response.status_code == status
    assert set(response.json()) == {"detail"}


def test_the_rate_limit_and_its_headers(sandbox: Sandbox) -> None:
    model = sandbox.new_model(versions=1)
    limit = RateLimit(signed_in=Limit(per_second=0.01, burst=3), anonymous=Limit(per_second=0.01, burst=1))
    with running(create_app(sandbox.store, limit)) as url, httpx.Client(base_url=url) as http:
        path = f"/v1/models/{model}/versions"
        signed_in = [http.get(path, headers={"authorization": f"Bearer {sandbox.token}"}) for _ in range(4)]
        anonymous = [http.get(path) for _ in range(2)]
    assert [response.status_code for response in signed_in] == [200, 200, 200, 429]
    assert [response.headers["x-ratelimit-remaining"] for response in signed_in] == ["2", "1", "0", "0"]
    assert {response.headers["x-ratelimit-limit"] for response in signed_in} == {"3"}
    assert float(signed_in[3].headers["x-ratelimit-reset"]) > 1_700_000_000
    assert [response.status_code for response in anonymous] == [200, 429]


def test_everything_survives_a_restart(tmp_path: Path, schemas: Any, digest: str) -> None:
    store = Store(tmp_path / "sandbox.db")
    store.add_token("t", "acme")
    store.add_model("acme", "det")
    version = store.create_version("acme", "det", release_notes="x", schemas=schemas, container_image_digest=digest)
    store.close()
    reopened = Store(tmp_path / "sandbox.db")
    assert reopened.versions("acme", "det") == [version]
    assert reopened.owner_of_token("t") == "acme"
    assert reopened.owner_of_token("other") is None
    reopened.close()
    assert b"acme" in (tmp_path / "sandbox.db").read_bytes()


def test_the_request_log_keeps_the_latest_entries(tmp_path: Path) -> None:
    store = Store(tmp_path / "sandbox.db")
    for number in range(11_005):
        store.record_request("acme", "GET", f"/{number}", 200)
    kept = store.requests(20_000)
    store.close()
    assert kept[0]["path"] == "/11004"
    assert 10_000 <= len(kept) <= 10_010


def test_a_full_disk_is_reported_and_reads_still_work(tmp_path: Path, schemas: Any) -> None:
    store = Store(tmp_path / "sandbox.db")
    store.add_token("t", "acme")
    seed(store, "acme", "detector", 1)
    with running(create_app(store)) as url, httpx.Client(headers={"authorization": "Bearer t"}) as client:
        versions = f"{url}/v1/models/acme/detector/versions"
        new = {"release_notes": "x", "schemas": schemas, "container_image_digest": "sha256:" + "ab" * 32}
        pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
        store._connection.execute(f"PRAGMA max_page_count = {pages}")
        responses = [client.post(versions, json=new) for _ in range(100)]
        assert responses[-1].status_code == 507
        assert "database or disk is full" in responses[-1].json()["detail"]
        assert client.get(versions).status_code == 200
        store._connection.execute("PRAGMA max_page_count = 100000")
        assert client.post(versions, json=new).status_code == 201
        assert len(store.versions("acme", "detector")) == 2 + sum(response.is_success for response in responses)
    store.close()
