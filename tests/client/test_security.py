"""Nothing reveals the token, no request leaves its path, and TLS certificates are verified."""

from __future__ import annotations

import asyncio
import json
import logging
import pickle
import socket
import ssl
import threading
import traceback
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar
from urllib.parse import unquote

import httpx
import pytest
import trustme
import uvicorn
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_wriftai._airflow.connection import ConnectionFields, parse_connection
from airflow_provider_wriftai.client import exchange
from airflow_provider_wriftai.client.access_token import AccessToken
from airflow_provider_wriftai.client.api import API
from airflow_provider_wriftai.client.errors import (
    ConfigurationError,
    ConnectionFailedError,
    InvalidReferenceError,
    WriftAIError,
)
from airflow_provider_wriftai.client.retrying import RetryPolicy
from airflow_provider_wriftai.client.transport_pool import find_proxy
from airflow_provider_wriftai.client.versions import Versions
from airflow_provider_wriftai.sandbox.app import create_app
from airflow_provider_wriftai.sandbox.server import listen, run_in_thread
from tests.support.sandbox import Sandbox

pytestmark = pytest.mark.usefixtures("no_waiting")

SECRET = "s3cret-t0ken-0f-acme"


def _echo(status: int) -> Callable[[httpx.Request], httpx.Response]:
    """Return a handler that returns the header with the token in the body."""
    return lambda request: httpx.Response(status, json={"detail": f"you sent {request.headers['authorization']}"})


def _echo_escaped(request: httpx.Request) -> httpx.Response:
    """Return the header with the token in a response header, and with JSON escapes in the body."""
    escaped = "".join(f"\\u{ord(character):04x}" for character in request.headers["authorization"])
    headers = {"x-request-id": request.headers["authorization"]}
    return httpx.Response(403, content=f'{{"detail": "{escaped}"}}', headers=headers)


def _raise(error: type[httpx.RequestError]) -> Callable[[httpx.Request], httpx.Response]:
    def fail(request: httpx.Request) -> httpx.Response:
        raise error(f"failed with {request.headers['authorization']}", request=request)

    return fail


FAILURES: dict[str, Callable[[httpx.Request], httpx.Response]] = {
    **{str(status): _echo(status) for status in (302, 400, 401, 403, 404, 409, 422, 429, 500, 503)},
    **{
        error.__name__: _raise(error)
        for error in (httpx.ConnectError, httpx.ConnectTimeout, httpx.ReadTimeout, httpx.RemoteProtocolError,
                      httpx.ProxyError, httpx.LocalProtocolError, httpx.UnsupportedProtocol, httpx.DecodingError)
    },
    "escaped": _echo_escaped,
    "cut": lambda request: httpx.Response(200, text="x" * 45 + request.headers["authorization"]),
    "no JSON": lambda request: httpx.Response(200, text=request.headers["authorization"]),
    "no version": lambda request: httpx.Response(200, json={"id": request.headers["authorization"]}),
}  # fmt: skip


def _everything_about(error: BaseException) -> str:
    """Return everything that a log, an error tracker, or a pickle contains of an error."""
    formatted = traceback.TracebackException.from_exception(error, capture_locals=True).format()
    return "".join(formatted) + repr(error) + str(vars(error)) + str(pickle.dumps(error))


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("way", ["sync", "async"])
def test_no_failure_shows_the_token(caplog: pytest.LogCaptureFixture, failure: str, way: str) -> None:
    transport = httpx.MockTransport(FAILURES[failure])
    settings = parse_connection(ConnectionFields(host=f"https://{way}.example", password=SECRET))
    settings["retry"] = RetryPolicy(attempts=2, seconds=0.2)

    def get_sync() -> None:
        with API(**settings, transport=transport) as api:
            Versions(api).get("acme/det:1")

    async def get_async() -> None:
        async with API(**settings, async_transport=transport) as api:
            await Versions(api).async_get("acme/det:1")

    with caplog.at_level(logging.DEBUG), pytest.raises(WriftAIError) as caught:
        get_sync() if way == "sync" else asyncio.run(get_async())
    ours = [frame for frame in traceback.extract_tb(caught.value.__traceback__) if "airflow_provider" in frame.filename]
    assert ours
    assert SECRET not in _everything_about(caught.value)
    assert SECRET not in caplog.text
    assert SECRET not in str([vars(record) for record in caplog.records])


def _spell_with_escapes(text: str) -> str:
    return "".join(f"\\u{ord(character):04X}" if position % 2 else character for position, character in enumerate(text))


@pytest.mark.parametrize("spell", [str, _spell_with_escapes])
@pytest.mark.parametrize("token", [SECRET, 'quotes"slashes/and\\backslashes', "t.*[a-z]+(regex)?"])
def test_a_token_that_the_service_returns_is_redacted_in_results(spell: Callable[[str], str], token: str) -> None:
    written = spell(token) if spell is not str else json.dumps(token)[1:-1]
    schemas = f'{{"{written}": 1}}'
    item = f'{{"number": 1, "release_notes": "by {written}!", "created_at": "{written}", "schemas": {schemas}}}'

    def respond(request: httpx.Request) -> httpx.Response:
        body = item if request.url.path.endswith("/1") else f'{{"items": [{item}], "next_cursor": null}}'
        return httpx.Response(200, content=body.encode())

    with API("https://x.example", token, transport=httpx.MockTransport(respond)) as api:
        for version in (Versions(api).get("acme/det:1"), *Versions(api).list("acme", "det").items):
            assert token not in str(version)
            assert version["release_notes"] == "by ***!"
            assert list(version["schemas"]) == ["***"]


def test_a_short_token_does_not_change_what_a_response_means() -> None:
    body = b'{"username": "number"}'
    assert AccessToken("number").redact_body(body) == body


def test_no_log_of_a_successful_request_shows_the_token(sandbox: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    owner, name = sandbox.new_model(versions=1).split("/")
    with caplog.at_level(logging.DEBUG), API(sandbox.base_url(), sandbox.token) as api:
        Versions(api).list(owner, name)
    assert "httpcore" in {record.name.partition(".")[0] for record in caplog.records}
    assert sandbox.token not in caplog.text


@pytest.mark.parametrize(
    "settings",
    [
        {"base_url": "ftp://h"},
        {"base_url": "http://h.example/v1"},
        {"base_url": "https://h", "ca_bundle": "/no/such/file"},
    ],
)
def test_no_error_about_a_setting_shows_the_token(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        API(access_token=AccessToken(SECRET), **settings)
    assert SECRET not in _everything_about(caught.value)


@pytest.mark.parametrize(
    "host",
    [f"user:{SECRET}@api.wrift.ai:443", f"api.wrift.ai:{SECRET}", f"https://api.wrift.ai:{SECRET}",
     f"https://{SECRET}@api.wrift.ai/v1", f"https://api.wrift.ai/v1?access_token={SECRET}", f"https://h/v1#{SECRET}"],
)  # fmt: skip
def test_a_host_that_contains_the_token_is_not_shown(host: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        API(**parse_connection(ConnectionFields(host=host)))
    assert SECRET not in str(caught.value)


def test_no_proxy_is_used_for_this_machine(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    owner, name = sandbox.new_model(versions=1).split("/")
    for variable in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(variable, "http://127.0.0.1:1")
    for variable in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(variable, raising=False)
    with API(sandbox.base_url(), sandbox.token, retry=RetryPolicy(attempts=1)) as api:
        assert len(Versions(api).list(owner, name).items) == 1


class _Proxy(BaseHTTPRequestHandler):
    """A proxy that responds to every request itself."""

    requests: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.requests.append(self.path)
        body = b'{"number": 1}'
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.usefixtures("no_proxy_variables")
def test_the_environments_proxy_is_used_for_other_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Proxy) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        # Many environments set the variable without a scheme.
        monkeypatch.setenv("HTTP_PROXY", f"127.0.0.1:{server.server_address[1]}")
        with API("http://service.example/v1", SECRET, allow_plain_http=True) as api:
            assert Versions(api).get("acme/det:1")["reference"] == "acme/det:1"
        assert _Proxy.requests == ["http://service.example/v1/models/acme/det/versions/1"]
        server.shutdown()
        thread.join()
    monkeypatch.setenv("NO_PROXY", ".example")
    assert find_proxy("http://service.example/v1") is None


@pytest.mark.usefixtures("no_proxy_variables")
@pytest.mark.parametrize("proxy", ["ftp://user:{}@h", "http://user:{}@h:port", "http://user:{}@h:99999"])
def test_an_invalid_proxy_is_reported_without_its_password(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy.format(SECRET))
    with pytest.raises(ConfigurationError, match="proxy that the environment names") as caught:
        API("https://service.example/v1")
    assert SECRET not in _everything_about(caught.value)


def test_the_token_has_no_text_form_and_no_pickle() -> None:
    token = AccessToken(SECRET)
    assert SECRET not in repr(token) + str(token) + f"{token}"
    with pytest.raises(TypeError):
        pickle.dumps(token)


@given(st.text(max_size=20), st.text(max_size=20), st.text(max_size=20))
def test_no_request_leaves_its_path(owner: str, name: str, version_id: str) -> None:
    requested: list[httpx.URL] = []

    def record(request: httpx.Request) -> httpx.Response:
        requested.append(request.url)
        return httpx.Response(200, json={"items": [], "id": unquote(request.url.raw_path.decode().rpartition("/")[2])})

    def segments(url: httpx.URL) -> list[str]:
        assert (url.scheme, url.host, url.query, url.fragment) == ("https", "h.example", b"", "")
        return [unquote(segment, errors="strict") for segment in url.raw_path.decode("ascii").split("/")]

    with API("https://h.example/v1", transport=httpx.MockTransport(record)) as api:
        for call, path in (
            (lambda: Versions(api).list(owner, name), ["", "v1", "models", owner, name, "versions"]),
            (lambda: Versions(api).get(version_id), ["", "v1", "versions", version_id]),
        ):
            requested.clear()
            try:
                call()
            except InvalidReferenceError:
                assert requested == []
            else:
                (url,) = requested
                if "/" not in version_id:
                    assert segments(url) == path


@pytest.mark.parametrize(
    "segment",
    ["..", ".", "", "../x", "%2e%2e", "a/b", "a\\b", "a\x00b", "a\nb", "a b", "a?b", "a#b", "a%2fb", "\u2028",
     "a\u00a0b", "\ud800"],
)  # fmt: skip
def test_invalid_segments_are_refused(segment: str) -> None:
    with API(transport=httpx.MockTransport(lambda request: pytest.fail(f"requested {request.url}"))) as api:
        for call in (
            lambda: Versions(api).list(segment, "det"),
            lambda: Versions(api).list("acme", segment),
            lambda: Versions(api).get(segment),
            lambda: Versions(api).delete(f"acme/{segment}:1"),
        ):
            with pytest.raises(InvalidReferenceError):
                call()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def encrypted(sandbox: Sandbox, authority: trustme.CA, tmp_path: Path) -> Iterator[str]:
    """The sandbox behind TLS, with a certificate of an unknown authority."""
    certificate = authority.issue_cert("localhost")
    key, chain = tmp_path / "key.pem", tmp_path / "chain.pem"
    certificate.private_key_pem.write_to_path(key)
    chain.write_bytes(b"".join(part.bytes() for part in certificate.cert_chain_pems))
    config = uvicorn.Config(
        create_app(sandbox.store), loop="asyncio", lifespan="off", log_level="critical",
        ssl_keyfile=str(key), ssl_certfile=str(chain),
    )  # fmt: skip
    listener = listen("127.0.0.1", 0)
    with run_in_thread(uvicorn.Server(config), listener):
        yield f"https://localhost:{listener.getsockname()[1]}"


def test_certificates_are_checked(sandbox: Sandbox, encrypted: str, authority: trustme.CA, tmp_path: Path) -> None:
    owner, name = sandbox.new_model(versions=1).split("/")
    with API(f"{encrypted}/v1", sandbox.token, retry=RetryPolicy(attempts=1)) as api:
        with pytest.raises(ConnectionFailedError, match=r"(?i)certificate.verify.failed") as caught:
            Versions(api).list(owner, name)
        assert not caught.value.ambiguous
        assert "CA bundle" in str(caught.value)

    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(bundle)
    with API(f"{encrypted}/v1", sandbox.token, ca_bundle=str(bundle)) as api:
        assert len(Versions(api).list(owner, name).items) == 1
    with API(encrypted.replace("localhost", "127.0.0.1") + "/v1", sandbox.token, ca_bundle=str(bundle)) as api:
        with pytest.raises(ConnectionFailedError, match=r"certificate is for another host name"):
            Versions(api).list(owner, name)


def test_clients_with_the_same_settings_share_one_tls_context(monkeypatch: pytest.MonkeyPatch) -> None:
    contexts: list[ssl.SSLContext] = []
    original = ssl.create_default_context

    def create_and_record(*arguments: Any, **keywords: Any) -> ssl.SSLContext:
        contexts.append(original(*arguments, **keywords))
        return contexts[-1]

    monkeypatch.setattr(ssl, "create_default_context", create_and_record)
    for _ in range(3):
        with API("https://h.example/v1", transport=httpx.MockTransport(_echo(404))) as api, api._transports.lend():
            pass
    assert len(contexts) <= 1


def test_a_response_that_trickles_in_times_out(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0

    def trickle() -> Iterator[bytes]:
        nonlocal now
        while True:
            now += 20
            yield b" "

    monkeypatch.setattr(exchange, "time", SimpleNamespace(monotonic=lambda: now))
    transport = httpx.MockTransport(lambda request: httpx.Response(200, content=trickle()))
    with API(transport=transport, retry=RetryPolicy(attempts=1)) as api:
        with pytest.raises(ConnectionFailedError, match="no complete response within 300 s"):
            Versions(api).get("acme/det:1")


def test_a_server_that_does_not_speak_http_is_reported() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def respond_with_ssh() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")

        thread = threading.Thread(target=respond_with_ssh)
        thread.start()
        with API(f"http://127.0.0.1:{listener.getsockname()[1]}/v1", retry=RetryPolicy(attempts=1)) as api:
            with pytest.raises(ConnectionFailedError, match="RemoteProtocolError"):
                Versions(api).get("acme/det:1")
        thread.join()
