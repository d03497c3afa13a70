"""The Test button of a connection names the cause of a failure quickly, and never shows the token."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import trustme

from airflow_provider_wriftai.client import api as api_module
from airflow_provider_wriftai.client.api import API
from airflow_provider_wriftai.client.errors import RedirectError
from airflow_provider_wriftai.client.retrying import RetryPolicy
from airflow_provider_wriftai.hooks import wriftai
from airflow_provider_wriftai.hooks.wriftai import WriftAIHook
from airflow_provider_wriftai.sandbox.faults import Fault, Faults
from tests.support.sandbox import Sandbox

TOKEN = "s3cret-t0ken-0f-acme"
WELCOME = b"<!doctype html><html><head><title>Welcome to nginx!</title></head><body>It works.</body></html>"

CHECK_ADDRESS = "Check the host, port, and scheme of the connection, and that this worker can reach them."
FAILED = "/user failed with"
NOT_THE_API = (
    "Check that the host of the connection is the URL of the WriftAI API, such as https://api.wrift.ai/v1, and not of "
    "another site or a proxy."
)
SLOW_OR_WRONG = "The service may be slow or down, or the host of the connection is wrong."

# Much longer than a person waits for the Test button.
PATIENT = {"timeout": 3600, "retry_attempts": 100, "retry_seconds": 86400}


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)
        monkeypatch.delenv(variable.lower(), raising=False)


@pytest.fixture
def press(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that tests a very patient connection, and returns whether it works, and the message."""

    def press_button(**connection: Any) -> tuple[bool, str]:
        fields = {"conn_type": "wriftai", "password": TOKEN, "extra": PATIENT, **connection}
        monkeypatch.setenv("AIRFLOW_CONN_WRIFTAI_DEFAULT", json.dumps(fields))
        worked, message = WriftAIHook().test_connection()
        assert fields["password"] is None or fields["password"] not in message
        return worked, message

    return press_button


class _Service(ThreadingHTTPServer):
    """A local service that gives every request the same response, and records the paths."""

    daemon_threads = True

    def __init__(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.response = status, body, headers
        self.paths: list[str] = []

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore clients that disconnect."""


class _Handler(BaseHTTPRequestHandler):
    server: _Service

    def do_GET(self) -> None:
        self.server.paths.append(self.path)
        status, body, headers = self.server.response
        self.send_response(status)
        for name, value in {"content-length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def _serve(
    status: int, body: bytes = b"", headers: dict[str, str] | None = None, tls: ssl.SSLContext | None = None
) -> Iterator[tuple[str, list[str]]]:
    """Run a service, and yield its host with the port, and the paths of its requests."""
    with _Service(status, body, headers or {}) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"localhost:{server.server_address[1]}", server.paths
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def tls(authority: trustme.CA) -> ssl.SSLContext:
    """Return a TLS context for localhost with a certificate of an unknown authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    return context


def test_a_valid_token_signs_in(sandbox: Sandbox, press: Any) -> None:
    signed_in = f"Signed in to {sandbox.url}/v1 as acme."
    assert press(host=f"{sandbox.url}/v1", password=sandbox.token) == (True, signed_in)
    # Without a path, the path is /v1.
    assert press(host=sandbox.url, password=sandbox.token) == (True, signed_in)


def test_a_missing_token_and_an_invalid_one_are_explained(sandbox: Sandbox, press: Any) -> None:
    worked, message = press(host=sandbox.url, password=None)
    assert not worked
    assert message.startswith(f"GET {sandbox.url}/v1/user failed with 401 Unauthorized: Not authenticated")
    assert message.endswith("The connection has no access token. Without one, only public models can be read.")

    worked, message = press(host=sandbox.url)
    assert not worked
    assert message.startswith(f"GET {sandbox.url}/v1/user failed with 401 Unauthorized: Invalid access token")
    assert message.endswith("Set a valid access token as the password of the Airflow connection.")


def test_a_token_in_the_response_is_redacted(press: Any) -> None:
    with _serve(401, json.dumps({"detail": f"Bearer {TOKEN} is unknown"}).encode()) as (host, _):
        worked, message = press(host=f"http://{host}")
    assert not worked
    assert "401 Unauthorized: Bearer *** is unknown." in message


@pytest.mark.parametrize("path", ["/generation-2", "/v2", "/v1/versions"])
def test_a_wrong_path_is_explained(sandbox: Sandbox, press: Any, path: str) -> None:
    worked, message = press(host=f"{sandbox.url}{path}", password=sandbox.token)
    assert not worked
    assert message == f"GET {sandbox.url}{path}{FAILED} 404 Not Found: Not Found. {NOT_THE_API}"


def test_an_unknown_host_name_is_explained(press: Any) -> None:
    worked, message = press(host="no-such-host.invalid")
    assert not worked
    # The rest depends on whether this machine has a network.
    assert message.startswith("GET https://no-such-host.invalid/v1/user failed: [Errno -")
    assert message.endswith(CHECK_ADDRESS)


def test_a_port_where_nobody_listens_is_explained(press: Any) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{taken.getsockname()[1]}"
        worked, message = press(host=f"http://{host}")
    assert not worked
    assert message.startswith(f"GET http://{host}/v1/user failed: [Errno {errno.ECONNREFUSED}] ")
    assert message.endswith(CHECK_ADDRESS)


def test_a_certificate_of_an_unknown_authority_needs_a_ca_bundle(
    press: Any, authority: trustme.CA, tls: ssl.SSLContext, tmp_path: Path
) -> None:
    with _serve(200, b'{"username": "acme"}', tls=tls) as (host, paths):
        worked, message = press(host=host)
        assert not worked
        assert message.startswith(f"GET https://{host}/v1/user failed: [SSL: CERTIFICATE_VERIFY")
        assert message.endswith(
            "The server's certificate is not trusted. Check the host, or set the connection's CA bundle to the "
            "certificates of your own authority."
        )
        assert paths == []

        bundle = tmp_path / "ca.pem"
        authority.cert_pem.write_to_path(bundle)
        assert press(host=host, extra={"ca_bundle": str(bundle)}) == (True, f"Signed in to https://{host}/v1 as acme.")

        worked, message = press(host=host, extra={"ca_bundle": "/no/such/bundle.pem"})
        assert not worked
        assert message.startswith("The CA bundle '/no/such/bundle.pem' cannot be read")


def test_the_wrong_scheme_is_explained(press: Any, tls: ssl.SSLContext) -> None:
    with _serve(200, b"{}", tls=tls) as (host, paths):
        worked, message = press(host=f"http://{host}")
        assert not worked
        assert message.startswith(f"GET http://{host}/v1/user failed: ")
        assert message.endswith(CHECK_ADDRESS)
        assert paths == []
    with _serve(200, b"{}") as (host, paths):
        worked, message = press(host=f"https://{host}")
        assert not worked
        assert message.startswith(f"GET https://{host}/v1/user failed: [SSL")
        assert message.endswith(CHECK_ADDRESS)
        assert paths == []


def test_plain_http_to_another_machine_is_refused(press: Any) -> None:
    worked, message = press(host="http://api.example")
    assert not worked
    assert "would be sent unencrypted to 'api.example'" in message


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, WELCOME, "200 with a body that is not acceptable JSON"),
        (200, WELCOME, "begins with '<!doctype html><html><head><title>Welcome to nginx!</title><…'"),
        (200, b'{"hello": "world"}', "200 with a user without a name"),
        (200, b"[]", "200 with a JSON list instead of an object"),
        (204, b"", "204 with a body that is not acceptable JSON"),
        (400, WELCOME, "400 Bad Request: an HTML page titled 'Welcome to nginx!'"),
        (403, WELCOME, "403 Forbidden: an HTML page titled 'Welcome to nginx!'"),
        (404, WELCOME, "404 Not Found: an HTML page titled 'Welcome to nginx!'"),
    ],
)
def test_a_response_that_is_not_from_the_api_is_explained(press: Any, status: int, body: bytes, expected: str) -> None:
    with _serve(status, body) as (host, paths):
        worked, message = press(host=f"http://{host}")
    assert not worked
    assert message.startswith(f"GET http://{host}/v1/user ")
    assert expected in message
    assert message.endswith(f". {NOT_THE_API}")
    assert paths == ["/v1/user"]


def test_a_proxy_that_requires_credentials_is_explained(press: Any) -> None:
    with _serve(407, b"") as (host, _):
        worked, message = press(host=f"http://{host}")
    assert not worked
    assert "407 Proxy Authentication Required. The proxy requires credentials." in message


def test_invalid_certificates_in_the_environment_are_explained(
    press: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    api_module._tls_context.cache_clear()
    file = tmp_path / "none.pem"
    file.write_text("no certificate")
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    worked, message = press(host="https://localhost")
    api_module._tls_context.cache_clear()
    assert not worked
    assert f"certificates of this machine cannot be read (SSL_CERT_FILE='{file}" in message


def test_the_token_does_not_follow_a_redirect(press: Any) -> None:
    with _serve(200, b'{"username": "acme"}') as (elsewhere, paths_elsewhere):
        with _serve(302, headers={"location": f"http://{elsewhere}/v1/user"}) as (host, paths):
            worked, message = press(host=f"http://{host}")
    assert not worked
    assert message == f"GET http://{host}/v1{FAILED} 302 Found: to http://{elsewhere}/v1/user. {RedirectError.advice}"
    assert (paths, paths_elsewhere) == (["/v1/user"], [])


@pytest.mark.parametrize(("status", "phrase"), [(500, "Internal Server Error"), (503, "Service Unavailable")])
def test_a_failing_service_gets_no_second_request(press: Any, status: int, phrase: str) -> None:
    with _serve(status, WELCOME, {"retry-after": "3600"}) as (host, paths):
        worked, message = press(host=f"http://{host}")
    assert not worked
    assert message == (
        f"GET http://{host}/v1{FAILED} {status} {phrase}: an HTML page titled 'Welcome to nginx!'. "
        "The service failed. Try again later."
    )
    assert paths == ["/v1/user"]


def test_an_exhausted_rate_limit_is_waited_for_only_briefly(press: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wriftai, "_TEST_BUDGET_SECONDS", 0.1)
    with _serve(429, b'{"detail": "Slow down"}', {"retry-after": "3600"}) as (host, paths):
        worked, message = press(host=f"http://{host}")
    assert not worked
    assert message.startswith(f"GET http://{host}/v1/user failed with 429 Too Many Requests: Slow down. ")
    assert message.endswith("limit them with an Airflow pool.")
    assert paths == ["/v1/user"] * 2


def test_a_rate_limit_that_resets_soon_is_waited_for(press: Any, sandbox: Sandbox, faulty: Any, faults: Faults) -> None:
    url, _ = faulty
    faults.add([Fault(status=429, execute="never", headers={"retry-after": "0"})])
    assert press(host=f"{url}/v1", password=sandbox.token) == (True, f"Signed in to {url}/v1 as acme.")
    assert faults.pending() == []


@pytest.mark.parametrize("protocol", ["http", "https"])
def test_a_host_that_never_responds_is_explained(press: Any, monkeypatch: pytest.MonkeyPatch, protocol: str) -> None:
    monkeypatch.setattr(wriftai, "_TEST_STEP_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        host = f"{protocol}://127.0.0.1:{listener.getsockname()[1]}"
        worked, message = press(host=host)
        assert not worked
        kind = "ReadTimeout" if protocol == "http" else "ConnectTimeout"
        assert message == f"GET {host}/v1/user timed out after 0.2 s ({kind}). {SLOW_OR_WRONG}"
        assert _count_pending(listener) == 1


def test_a_host_that_does_not_accept_the_connection_is_explained(press: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wriftai, "_TEST_STEP_SECONDS", 0.2)
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        # Once its queue is full, it is as silent as a firewall.
        with contextlib.suppress(TimeoutError):
            while True:
                stack.enter_context(socket.create_connection(listener.getsockname(), timeout=0.2))
        host = f"http://127.0.0.1:{listener.getsockname()[1]}"
        worked, message = press(host=host)
    assert not worked
    assert message == f"GET {host}/v1/user timed out after 0.2 s (ConnectTimeout). {SLOW_OR_WRONG}"


@pytest.mark.parametrize("begin", [b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n", b"HTTP/1.1 200 OK\r\nx: "])
def test_a_response_that_only_trickles_in_is_given_up(
    press: Any, monkeypatch: pytest.MonkeyPatch, begin: bytes
) -> None:
    monkeypatch.setattr(wriftai, "_TEST_SECONDS", 0.5)
    gone = threading.Event()

    def trickle() -> None:
        client, _ = listener.accept()
        client.settimeout(60)
        with client, contextlib.suppress(OSError):
            client.recv(1000)
            client.sendall(begin)
            while not gone.wait(0.05):
                client.sendall(b"x")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(60)
        thread = threading.Thread(target=trickle)
        thread.start()
        host = f"http://127.0.0.1:{listener.getsockname()[1]}"
        worked, message = press(host=host)
        gone.set()
        thread.join()
        assert _count_pending(listener) == 0
    assert not worked
    assert message == f"GET {host}/v1/user had no complete response within 0.5 s. {SLOW_OR_WRONG}"


@pytest.mark.parametrize(("extra", "timeout"), [(PATIENT, 10.0), ({}, 10.0), ({"timeout": 2.5}, 2.5)])
def test_a_test_never_waits_long(
    press: Any, monkeypatch: pytest.MonkeyPatch, extra: dict[str, Any], timeout: float
) -> None:
    opened: list[dict[str, Any]] = []

    class RecordingAPI(API):
        def __init__(self, **settings: Any) -> None:
            opened.append(settings)
            super().__init__(**settings)

    monkeypatch.setattr("airflow_provider_wriftai.client.api.API", RecordingAPI)
    with _serve(200, b'{"username": "acme"}') as (host, _):
        assert press(host=f"http://{host}", extra=extra)[0]
    assert [(settings["timeout"], settings["retry"]) for settings in opened] == [
        (timeout, RetryPolicy(attempts=1, seconds=5.0))
    ]
    assert wriftai._TEST_SECONDS == 15.0


def test_tasks_are_as_patient_as_the_connection_says(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_WRIFTAI_DEFAULT", json.dumps(sandbox.connection(extra=PATIENT)))
    with WriftAIHook().get_conn() as api:
        assert api._retry == RetryPolicy(attempts=100, seconds=86400)
        assert api._config.timeout["read"] == 3600


def test_a_connection_can_be_tested_in_an_event_loop(press: Any, sandbox: Sandbox) -> None:
    async def press_in_loop() -> Any:
        return press(host=sandbox.url, password=sandbox.token)

    assert asyncio.run(press_in_loop()) == (True, f"Signed in to {sandbox.url}/v1 as acme.")


def _count_pending(listener: socket.socket) -> int:
    """Return how many connections have not been accepted yet."""
    listener.settimeout(0)
    pending = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            listener.accept()[0].close()
            pending += 1
    return pending
