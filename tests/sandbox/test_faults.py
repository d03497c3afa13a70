"""Faults of the sandbox, seen by a client over a real socket."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from airflow_provider_wriftai.sandbox.app import create_app
from airflow_provider_wriftai.sandbox.faults import Fault, Faults
from airflow_provider_wriftai.sandbox.server import running
from tests.support.sandbox import Sandbox


@pytest.fixture
def faults() -> Faults:
    return Faults()


@pytest.fixture
def url(sandbox: Sandbox, faults: Faults) -> Iterator[str]:
    with running(create_app(sandbox.store, faults=faults)) as url:
        yield url
        faults.clear()


@pytest.fixture
def http(sandbox: Sandbox, url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, headers={"authorization": f"Bearer {sandbox.token}"}) as client:
        yield client


@pytest.fixture
def model(sandbox: Sandbox) -> str:
    name: str = sandbox.new_model(versions=1)
    return name


def _create(http: httpx.Client, model: str, digest: str, schemas: Any, **keywords: Any) -> httpx.Response:
    body = {"release_notes": "x", "schemas": schemas, "container_image_digest": digest}
    return http.post(f"/v1/models/{model}/versions", json=body, **keywords)


def _wait_until(faults: Faults, stage: str) -> None:
    while faults.events.get(timeout=30).stage != stage:
        pass


@pytest.mark.parametrize(("execute", "created"), [("first", True), ("last", True), ("never", False)])
def test_a_status_with_and_without_execution(
    sandbox: Sandbox,
    http: httpx.Client,
    faults: Faults,
    model: str,
    digest: str,
    schemas: Any,
    execute: Any,
    created: bool,
) -> None:
    faults.add([Fault(method="POST", execute=execute, status=504)])
    assert http.get(f"/v1/models/{model}/versions").status_code == 200
    assert _create(http, model, digest, schemas).status_code == 504
    assert sandbox.numbers(model) == ([2, 1] if created else [1])
    assert _create(http, model, digest, schemas).status_code == 201
    assert faults.pending() == []


@pytest.mark.parametrize("execute", ["first", "never"])
def test_a_dropped_connection(
    sandbox: Sandbox, http: httpx.Client, faults: Faults, model: str, digest: str, schemas: Any, execute: Any
) -> None:
    faults.add([Fault(execute=execute, response="drop")])
    with pytest.raises(httpx.TransportError):
        _create(http, model, digest, schemas)
    _wait_until(faults, "responded")
    assert sandbox.numbers(model) == ([2, 1] if execute == "first" else [1])


def test_a_response_that_is_cut_off(http: httpx.Client, faults: Faults, model: str) -> None:
    faults.add([Fault(response="cut")])
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        http.get(f"/v1/models/{model}/versions")


def test_a_garbled_response(http: httpx.Client, faults: Faults, model: str) -> None:
    faults.add([Fault(response="garbled")])
    response = http.get(f"/v1/models/{model}/versions")
    assert response.status_code == 200
    with pytest.raises(ValueError, match="char"):
        response.json()


def test_the_error_page_of_a_proxy(http: httpx.Client, faults: Faults, model: str) -> None:
    faults.add([Fault(response="html", execute="never")])
    response = http.get(f"/v1/models/{model}/versions")
    assert (response.status_code, response.headers["content-type"]) == (502, "text/html; charset=utf-8")
    assert "<title>502 Bad Gateway</title>" in response.text


@pytest.mark.parametrize("status", [204, 304, 520])
def test_unusual_statuses(http: httpx.Client, faults: Faults, model: str, status: int) -> None:
    faults.add([Fault(status=status, response="html" if status == 520 else "as_usual")])
    response = http.get(f"/v1/models/{model}/versions")
    assert (response.status_code, bool(response.content)) == (status, status == 520)


def test_a_release_after_the_server_has_stopped_does_nothing(sandbox: Sandbox) -> None:
    faults = Faults()
    with running(create_app(sandbox.store, faults=faults)) as url:
        faults.add([Fault(delay=60)])
        with pytest.raises(httpx.ReadTimeout):
            httpx.get(f"{url}/v1/user", timeout=httpx.Timeout(30, read=0.05))
        _wait_until(faults, "responded")
    faults.release()


def test_headers_are_set_and_removed(http: httpx.Client, faults: Faults, model: str) -> None:
    faults.add([Fault(headers={"x-request-id": None, "retry-after": "7"}, status=429, execute="never")])
    response = http.get(f"/v1/models/{model}/versions")
    assert (response.status_code, response.headers["retry-after"]) == (429, "7")
    faults.add([Fault(headers={"x-request-id": None})])
    assert "x-request-id" not in http.get(f"/v1/models/{model}/versions").headers


def test_a_request_that_is_executed_after_its_client_gave_up(
    sandbox: Sandbox, http: httpx.Client, faults: Faults, model: str, digest: str, schemas: Any
) -> None:
    faults.add([Fault(execute="last", delay=60)])
    with pytest.raises(httpx.ReadTimeout):
        _create(http, model, digest, schemas, timeout=httpx.Timeout(30, read=0.05))
    _wait_until(faults, "executed")
    assert sandbox.numbers(model) == [2, 1]


def test_a_request_that_is_executed_when_it_is_released(
    sandbox: Sandbox, http: httpx.Client, faults: Faults, model: str, digest: str, schemas: Any
) -> None:
    faults.add([Fault(execute="last", delay=60, response="drop")])
    with pytest.raises(httpx.TransportError):
        _create(http, model, digest, schemas)
    assert sandbox.numbers(model) == [1]
    assert http.post("/faults/release").status_code == 204
    _wait_until(faults, "executed")
    assert sandbox.numbers(model) == [2, 1]


def test_a_response_that_is_sent_when_it_is_released(
    sandbox: Sandbox, http: httpx.Client, faults: Faults, model: str, digest: str, schemas: Any
) -> None:
    faults.add([Fault(delay=60, ends_at_hangup=False)])
    statuses: list[int] = []
    client = threading.Thread(target=lambda: statuses.append(_create(http, model, digest, schemas).status_code))
    client.start()
    _wait_until(faults, "executed")
    assert (sandbox.numbers(model), statuses) == ([2, 1], [])
    faults.release()
    client.join(timeout=30)
    assert statuses == [201]


def test_faults_over_http(http: httpx.Client, model: str) -> None:
    failing = {"method": "GET", "path": "/versions$", "times": 2, "status": 500, "execute": "never"}
    requested = [failing, {"response": "drop"}]
    assert http.post("/faults", json=requested).json() == requested
    assert http.get(f"/v1/models/{model}/versions").status_code == 500
    assert http.get("/faults").json()[0] == {key: value for key, value in failing.items() if key != "times"}
    assert http.delete("/faults").status_code == 204
    assert http.get("/faults").json() == []
    assert http.get(f"/v1/models/{model}/versions").status_code == 200


@pytest.mark.parametrize(
    ("fault", "problem"),
    [
        ({"status": 99}, "status"),
        ({"path": "("}, "not a regular expression"),
        ({"stauts": 500}, "stauts"),
        ({"method": "post"}, "method"),
        ({"headers": {"a b": "x"}}, "headers"),
        ({"headers": {"a": "x\ny"}}, "headers"),
        ({"headers": {"a": "\u2603"}}, "headers"),
        ({"headers": {"Access-Control-Allow-Origin": "*"}}, "access-control-*"),
        ({"headers": {"access-control-expose-headers": "*"}}, "access-control-*"),
        ({"headers": {"Date": None}}, "date"),
        ({"execute": "never", "status": 204}, "no body"),
        ({"execute": "never", "response": "cut"}, "no response to garble or cut"),
        ([{}, {"times": 0}], "times"),
        (7, "body"),
    ],
)
def test_an_invalid_fault_is_refused(http: httpx.Client, fault: Any, problem: str) -> None:
    response = http.post("/faults", json=fault)
    assert response.status_code == 422
    assert problem in response.text
    assert http.get("/faults").json() == []


@pytest.mark.parametrize("content", [b"", b"{", b"[" * 100_000, b"\xff"])
def test_what_is_not_json_is_refused(http: httpx.Client, content: bytes) -> None:
    response = http.post("/faults", content=content, headers={"content-type": "application/json"})
    assert response.status_code == 422
    assert http.get("/faults").json() == []


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/x-www-form-urlencoded", "text/json"])
def test_a_content_type_that_browsers_send_without_preflight_is_refused(
    http: httpx.Client, content_type: str | None
) -> None:
    headers = {"content-type": content_type} if content_type else {}
    assert http.post("/faults", content=b'{"status": 500}', headers=headers).status_code == 415
    assert http.get("/faults").json() == []


def test_a_request_with_a_fault_is_in_the_request_log(sandbox: Sandbox, http: httpx.Client, faults: Faults) -> None:
    faults.add([Fault(execute="never", status=503)])
    http.get("/v1/models/acme/none/versions?page_size=5")
    latest = sandbox.store.requests(1)[0]
    assert (latest["path"], latest["status"]) == ("/v1/models/acme/none/versions", 503)


def test_every_field_is_documented(repository: Path) -> None:
    document = (repository / "docs" / "sandbox.md").read_text()
    assert set(Fault.model_fields) == {name for name in Fault.model_fields if f"| `{name}` |" in document}
