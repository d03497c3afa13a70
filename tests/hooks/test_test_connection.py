"""The Test button of a connection: it says who is wrong, soon, and never shows the token."""

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
FAILED = "/user (connection 'wriftai_default') failed with"
NOT_THE_API = (
    "Check that the host of the connection is the URL of the WriftAI API, such as https://api.wrift.ai/v1, and not of "
    "another site or a proxy."
)
SLOW_OR_WRONG = "The service may be slow or down, or the host of the connection is wrong."

# Nobody would wait for these.
PATIENT = {"timeout": 3600, "retry_attempts": 100, "retry_seconds": 86400}


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)
        monkeypatch.delenv(variable.lower(), raising=False)


@pytest.fixture
def press(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Test a connection that is as patient as can be; gives whether it worked, and the sentence."""

    def pressed(**connection: Any) -> tuple[bool, str]:
        fields = {"conn_type": "wriftai", "password": TOKEN, "extra": PATIENT, **connection}
        monkeypatch.setenv("AIRFLOW_CONN_WRIFTAI_DEFAULT", json.dumps(fields))
        worked, sentence = WriftAIHook().test_connection()
        assert fields["password"] is None or fields["password"] not in sentence
        return worked, sentence

    return pressed


class _Service(ThreadingHTTPServer):
    """A service on this machine that gives every request the same answer, and counts them."""

    daemon_threads = True

    def __init__(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.answer = status, body, headers
        self.asked: list[str] = []

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of callers that hang up."""


class _Answer(BaseHTTPRequestHandler):
    server: _Service

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        status, body, headers = self.server.answer
        self.send_response(status)
        for name, value in {"content-length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def _answering(
    status: int, body: bytes = b"", headers: dict[str, str] | None = None, tls: ssl.SSLContext | None = None
) -> Iterator[tuple[str, list[str]]]:
    """Run such a service; gives its host with the port, and what it was asked for."""
    with _Service(status, body, headers or {}) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"localhost:{server.server_address[1]}", server.asked
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def tls(authority: trustme.CA) -> ssl.SSLContext:
    """What a service on localhost encrypts with: a certificate of an authority that nobody knows."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    return context


def test_the_right_token(sandbox: Sandbox, press: Any) -> None:
    signed_in = f"Signed in to {sandbox.url}/v1 as acme."
    assert press(host=f"{sandbox.url}/v1", password=sandbox.token) == (True, signed_in)
    # Where there is no path, /v1 is meant.
    assert press(host=sandbox.url, password=sandbox.token) == (True, signed_in)


def test_no_token_and_a_bad_one(sandbox: Sandbox, press: Any) -> None:
    worked, sentence = press(host=sandbox.url, password=None)
    assert not worked
    assert sentence.startswith(
        f"GET {sandbox.url}/v1/user (connection 'wriftai_default') failed with 401 Unauthorized: Not authenticated"
    )
    assert sentence.endswith("The connection has no access token. Without one, only public models can be read.")

    worked, sentence = press(host=sandbox.url)
    assert not worked
    assert sentence.startswith(
        f"GET {sandbox.url}/v1/user (connection 'wriftai_default') failed with 401 Unauthorized: Invalid access token"
    )
    assert sentence.endswith("Set a valid access token as the password of the Airflow connection.")


def test_a_token_that_is_told_back(press: Any) -> None:
    with _answering(401, json.dumps({"detail": f"Bearer {TOKEN} is unknown"}).encode()) as (host, _):
        worked, sentence = press(host=f"http://{host}")
    assert not worked
    assert "401 Unauthorized: Bearer *** is unknown." in sentence


@pytest.mark.parametrize("path", ["/generation-2", "/v2", "/v1/versions"])
def test_a_wrong_path(sandbox: Sandbox, press: Any, path: str) -> None:
    worked, sentence = press(host=f"{sandbox.url}{path}", password=sandbox.token)
    assert not worked
    assert sentence == f"GET {sandbox.url}{path}{FAILED} 404 Not Found: Not Found. {NOT_THE_API}"


def test_a_name_that_nobody_has(press: Any) -> None:
    worked, sentence = press(host="no-such-host.invalid")
    assert not worked
    # The rest depends on whether there is a network at all.
    assert sentence.startswith(
        "GET https://no-such-host.invalid/v1/user (connection 'wriftai_default') failed: [Errno -"
    )
    assert sentence.endswith(CHECK_ADDRESS)


def test_a_port_where_nobody_listens(press: Any) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        here = f"127.0.0.1:{taken.getsockname()[1]}"
        worked, sentence = press(host=f"http://{here}")
    assert not worked
    assert sentence.startswith(
        f"GET http://{here}/v1/user (connection 'wriftai_default') failed: [Errno {errno.ECONNREFUSED}] "
    )
    assert sentence.endswith(CHECK_ADDRESS)


def test_a_certificate(press: Any, authority: trustme.CA, tls: ssl.SSLContext, tmp_path: Path) -> None:
    with _answering(200, b'{"username": "acme"}', tls=tls) as (host, asked):
        worked, sentence = press(host=host)
        assert not worked
        assert sentence.startswith(
            f"GET https://{host}/v1/user (connection 'wriftai_default') failed: [SSL: CERTIFICATE_VERIFY"
        )
        assert sentence.endswith(
            "The server's certificate is not trusted. Check the host, or set the connection's CA bundle to the "
            "certificates of your own authority."
        )
        assert asked == []

        bundle = tmp_path / "ca.pem"
        authority.cert_pem.write_to_path(bundle)
        assert press(host=host, extra={"ca_bundle": str(bundle)}) == (True, f"Signed in to https://{host}/v1 as acme.")

        worked, sentence = press(host=host, extra={"ca_bundle": "/no/such/bundle.pem"})
        assert not worked
        assert sentence.startswith("The CA bundle '/no/such/bundle.pem' cannot be read")


def test_the_wrong_protocol(press: Any, tls: ssl.SSLContext) -> None:
    with _answering(200, b"{}", tls=tls) as (host, asked):
        worked, sentence = press(host=f"http://{host}")
        assert not worked
        assert sentence.startswith(f"GET http://{host}/v1/user (connection 'wriftai_default') failed: ")
        assert sentence.endswith(CHECK_ADDRESS)
        assert asked == []
    with _answering(200, b"{}") as (host, asked):
        worked, sentence = press(host=f"https://{host}")
        assert not worked
        assert sentence.startswith(f"GET https://{host}/v1/user (connection 'wriftai_default') failed: [SSL")
        assert sentence.endswith(CHECK_ADDRESS)
        assert asked == []


def test_plain_http_to_another_machine(press: Any) -> None:
    worked, sentence = press(host="http://api.example")
    assert not worked
    assert "would be sent unencrypted to 'api.example'" in sentence


@pytest.mark.parametrize(
    ("status", "body", "said"),
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
def test_what_is_not_the_api(press: Any, status: int, body: bytes, said: str) -> None:
    with _answering(status, body) as (host, asked):
        worked, sentence = press(host=f"http://{host}")
    assert not worked
    assert sentence.startswith(f"GET http://{host}/v1/user (connection 'wriftai_default') ")
    assert said in sentence
    assert sentence.endswith(f". {NOT_THE_API}")
    assert asked == ["/v1/user"]


def test_a_proxy_that_requires_credentials(press: Any) -> None:
    with _answering(407, b"") as (host, _):
        worked, sentence = press(host=f"http://{host}")
    assert not worked
    assert "407 Proxy Authentication Required. The proxy requires credentials." in sentence


def test_certificates_that_the_environment_names_and_that_are_none(
    press: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    api_module._tls_context.cache_clear()
    file = tmp_path / "none.pem"
    file.write_text("no certificate")
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    worked, sentence = press(host="https://localhost")
    api_module._tls_context.cache_clear()
    assert not worked
    assert f"certificates of this machine cannot be read (SSL_CERT_FILE='{file}" in sentence


def test_the_token_does_not_follow_a_redirect(press: Any) -> None:
    with _answering(200, b'{"username": "acme"}') as (elsewhere, asked_elsewhere):
        with _answering(302, headers={"location": f"http://{elsewhere}/v1/user"}) as (host, asked):
            worked, sentence = press(host=f"http://{host}")
    assert not worked
    assert sentence == f"GET http://{host}/v1{FAILED} 302 Found: to http://{elsewhere}/v1/user. {RedirectError.advice}"
    assert (asked, asked_elsewhere) == (["/v1/user"], [])


@pytest.mark.parametrize(("status", "phrase"), [(500, "Internal Server Error"), (503, "Service Unavailable")])
def test_a_service_that_fails_is_not_asked_again(press: Any, status: int, phrase: str) -> None:
    with _answering(status, WELCOME, {"retry-after": "3600"}) as (host, asked):
        worked, sentence = press(host=f"http://{host}")
    assert not worked
    assert sentence == (
        f"GET http://{host}/v1{FAILED} {status} {phrase}: an HTML page titled 'Welcome to nginx!'. "
        "The service failed. Try again later."
    )
    assert asked == ["/v1/user"]


def test_a_used_up_budget_is_waited_for_only_shortly(press: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wriftai, "_TEST_BUDGET_SECONDS", 0.1)
    with _answering(429, b'{"detail": "Slow down"}', {"retry-after": "3600"}) as (host, asked):
        worked, sentence = press(host=f"http://{host}")
    assert not worked
    assert sentence.startswith(
        f"GET http://{host}/v1/user (connection 'wriftai_default') failed with 429 Too Many Requests: Slow down. "
    )
    assert sentence.endswith("limit them with an Airflow pool.")
    assert asked == ["/v1/user"] * 2


def test_a_budget_that_is_there_again_soon(press: Any, sandbox: Sandbox, faulty: Any, faults: Faults) -> None:
    url, _ = faulty
    faults.add([Fault(status=429, execute="never", headers={"retry-after": "0"})])
    assert press(host=f"{url}/v1", password=sandbox.token) == (True, f"Signed in to {url}/v1 as acme.")
    assert faults.pending() == []


@pytest.mark.parametrize("protocol", ["http", "https"])
def test_a_host_that_never_answers(press: Any, monkeypatch: pytest.MonkeyPatch, protocol: str) -> None:
    monkeypatch.setattr(wriftai, "_TEST_STEP_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        host = f"{protocol}://127.0.0.1:{listener.getsockname()[1]}"
        worked, sentence = press(host=host)
        assert not worked
        kind = "ReadTimeout" if protocol == "http" else "ConnectTimeout"
        assert (
            sentence
            == f"GET {host}/v1/user (connection 'wriftai_default') timed out after 0.2 s ({kind}). {SLOW_OR_WRONG}"
        )
        assert _callers(listener) == 1


def test_a_host_that_does_not_take_the_connection(press: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wriftai, "_TEST_STEP_SECONDS", 0.2)
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        # Its queue is full once nobody gets in any more: from then on it is as silent as a firewall.
        with contextlib.suppress(TimeoutError):
            while True:
                stack.enter_context(socket.create_connection(listener.getsockname(), timeout=0.2))
        host = f"http://127.0.0.1:{listener.getsockname()[1]}"
        worked, sentence = press(host=host)
    assert not worked
    assert (
        sentence
        == f"GET {host}/v1/user (connection 'wriftai_default') timed out after 0.2 s (ConnectTimeout). {SLOW_OR_WRONG}"
    )


@pytest.mark.parametrize("begin", [b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n", b"HTTP/1.1 200 OK\r\nx: "])
def test_a_response_that_only_trickles_in(press: Any, monkeypatch: pytest.MonkeyPatch, begin: bytes) -> None:
    monkeypatch.setattr(wriftai, "_TEST_SECONDS", 0.5)
    gone = threading.Event()

    def trickle() -> None:
        caller, _ = listener.accept()
        caller.settimeout(60)
        with caller, contextlib.suppress(OSError):
            caller.recv(1000)
            caller.sendall(begin)
            while not gone.wait(0.05):
                caller.sendall(b"x")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(60)
        thread = threading.Thread(target=trickle)
        thread.start()
        host = f"http://127.0.0.1:{listener.getsockname()[1]}"
        worked, sentence = press(host=host)
        gone.set()
        thread.join()
        assert _callers(listener) == 0
    assert not worked
    assert sentence == f"GET {host}/v1/user had no complete response within 0.5 s. {SLOW_OR_WRONG}"


@pytest.mark.parametrize(("asked_for", "used"), [(PATIENT, 10.0), ({}, 10.0), ({"timeout": 2.5}, 2.5)])
def test_it_never_waits_long(
    press: Any, monkeypatch: pytest.MonkeyPatch, asked_for: dict[str, Any], used: float
) -> None:
    opened: list[dict[str, Any]] = []

    class Recorded(API):
        def __init__(self, **settings: Any) -> None:
            opened.append(settings)
            super().__init__(**settings)

    monkeypatch.setattr("airflow_provider_wriftai.client.api.API", Recorded)
    with _answering(200, b'{"username": "acme"}') as (host, _):
        assert press(host=f"http://{host}", extra=asked_for)[0]
    ((timeout, retry),) = [(settings["timeout"], settings["retry"]) for settings in opened]
    assert (timeout, retry) == (used, RetryPolicy(attempts=1, seconds=5.0))
    assert wriftai._TEST_SECONDS == 15.0


def test_tasks_are_as_patient_as_the_connection_says(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_WRIFTAI_DEFAULT", json.dumps(sandbox.connection(extra=PATIENT)))
    with WriftAIHook().get_conn() as api:
        assert api._retry == RetryPolicy(attempts=100, seconds=86400)
        assert api._config.timeout["read"] == 3600


def test_it_can_be_tested_from_within_an_event_loop(press: Any, sandbox: Sandbox) -> None:
    async def pressed() -> Any:
        return press(host=sandbox.url, password=sandbox.token)

    assert asyncio.run(pressed()) == (True, f"Signed in to {sandbox.url}/v1 as acme.")


def _callers(listener: socket.socket) -> int:
    """How many have called that were not let in yet."""
    listener.settimeout(0)
    callers = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            listener.accept()[0].close()
            callers += 1
    return callers
