"""The client against a misbehaving service, proxy, and network, over raw sockets."""

from __future__ import annotations

import asyncio
import gzip
import logging
import tracemalloc
from collections.abc import Callable

import httpx
import pytest

from airflow_provider_wriftai.client import exchange
from airflow_provider_wriftai.client.api import API
from airflow_provider_wriftai.client.errors import (
    APIError,
    ConnectionFailedError,
    NotFoundError,
    RedirectError,
    RequestError,
    RequestTimeoutError,
    UnreadableResponseError,
)
from airflow_provider_wriftai.client.retrying import RetryPolicy
from airflow_provider_wriftai.client.versions import CreateVersionParams, Versions
from tests.support.misbehaving_service import Caller, MisbehavingService, Script, misbehaving

pytestmark = pytest.mark.usefixtures("no_proxy_variables")

TOKEN = "s3cret-t0ken-0f-acme"
ONCE = RetryPolicy(attempts=1, seconds=60)
PARAMS: CreateVersionParams = {
    "release_notes": "x",
    "schemas": {"prediction": {"input": {}, "output": {}}},
    "container_image_digest": "sha256:" + "ab" * 32,
}

Get = Callable[[MisbehavingService], object]


@pytest.fixture(params=["sync", "async"])
def get(request: pytest.FixtureRequest) -> Get:
    """Fetch a version, synchronously and asynchronously."""

    def get_sync(service: MisbehavingService) -> object:
        with API(service.url, TOKEN, retry=ONCE, timeout=30) as api:
            return Versions(api).get("acme/det:1")

    async def get_async(service: MisbehavingService) -> object:
        async with API(service.url, TOKEN, retry=ONCE, timeout=30) as api:
            return await Versions(api).async_get("acme/det:1")

    return get_sync if request.param == "sync" else lambda service: asyncio.run(get_async(service))


def _respond(body: bytes, **options: str) -> Script:
    def script(caller: Caller) -> None:
        caller.read_request()
        caller.respond(body, **options)

    return script


@pytest.mark.parametrize("part", ["status line", "headers", "body", "chunks", "nothing"])
def test_one_deadline_covers_a_whole_exchange(get: Get, monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    """Each byte arrives well within the read timeout; the whole response would take minutes."""
    monkeypatch.setattr(exchange, "LONGEST_EXCHANGE", 0.5)

    def script(caller: Caller) -> None:
        caller.read_request()
        match part:
            case "status line":
                caller.trickle(b"HTTP/1.1 200 " + b"O" * 10_000, 0.02)
            case "headers":
                caller.send(b"HTTP/1.1 200 OK\r\nx: ")
                caller.trickle(b"y" * 10_000, 0.02)
            case "body":
                caller.send(b"HTTP/1.1 200 OK\r\ncontent-length: 10000\r\n\r\n")
                caller.trickle(b"y" * 10_000, 0.02)
            case "chunks":
                caller.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
                caller.trickle(b"1\r\ny\r\n" * 10_000, 0.02)
            case "nothing":
                caller.ended.wait()

    with (
        misbehaving(script) as service,
        pytest.raises(RequestTimeoutError, match="no complete response within") as caught,
    ):
        get(service)
    assert caught.value.ambiguous


def test_an_encoding_that_was_not_requested_is_refused(get: Get) -> None:
    """1.8 kB of doubly compressed gzip would become 2 GB."""
    bomb = gzip.compress(gzip.compress(b"0" * 50_000_000))
    with misbehaving(_respond(bomb, headers="content-encoding: gzip, gzip\r\n")) as service:
        tracemalloc.start()
        try:
            with pytest.raises(UnreadableResponseError, match="Content-Encoding 'gzip, gzip', which was not requested"):
                get(service)
            assert tracemalloc.get_traced_memory()[1] < 20_000_000
        finally:
            tracemalloc.stop()


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b'{"number": 1, "size": 1e999}', "number that is too large"),
        (b'{"number": 1, "size": ' + b"9" * 400 + b"}", "number that is too large"),
        (b'{"number": 1, "size": ' + b"9" * 100_000 + b"}", "number that is too large"),
        (b'{"number": 1, "size": NaN}', "NaN is not valid JSON"),
        (b'{"number": 1, "size": -Infinity}', "-Infinity is not valid JSON"),
        (b'{"number": 1, "release_notes": "a\\u0000b"}', "NUL character"),
        (b'{"number": 1, "x\\u0000": 1}', "NUL character"),
        (b'{"number": 1, "schemas": ' + b"[" * 300 + b"]" * 300 + b"}", "nested deeper than 200"),
        (b'{"number": 1, "schemas": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deeply"),
        (b'{"number": 2}', "version 'acme/det:2' instead of 'acme/det:1'"),
        (b'{"id": "acme"}', "version 'acme' instead of 'acme/det:1'"),
    ],
)
def test_an_unacceptable_body_is_refused_by_the_reader(get: Get, body: bytes, problem: str) -> None:
    with misbehaving(_respond(body)) as service, pytest.raises(UnreadableResponseError, match=problem):
        get(service)


def test_an_escaped_backslash_is_not_a_nul(get: Get) -> None:
    with misbehaving(_respond(b'{"number": 1, "release_notes": "a\\\\u0000b"}')) as service:
        assert get(service) == {"number": 1, "release_notes": "a\\u0000b", "reference": "acme/det:1"}


def test_a_redirect_names_its_target_and_is_not_followed(get: Get) -> None:
    target = "http://elsewhere.example/v1\x1b[31m?token=" + TOKEN
    with misbehaving(_respond(b"", status="308 Permanent Redirect", headers=f"location: {target}\r\n")) as service:
        with pytest.raises(RequestError) as caught:
            get(service)
    if isinstance(caught.value, RedirectError):
        assert "to http://elsewhere.example/v1" in str(caught.value)
    assert TOKEN not in str(caught.value)
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize("where", ["header", "cursor", "detail", "id", "title"])
def test_a_reflected_token_shows_nowhere(get: Get, caplog: pytest.LogCaptureFixture, where: str) -> None:
    bodies = {
        "header": b"no JSON",
        "cursor": b'{"items": [], "next_cursor": "' + TOKEN.encode() + b'"}',
        "detail": b'{"detail": "Bearer ' + TOKEN.encode() + b'"}',
        "id": b'{"id": "' + TOKEN.encode() + b'"}',
        "title": b"<html><title>" + TOKEN.encode() + b"</title>",
    }
    headers = f"x-reflected: {TOKEN}\r\nx-request-id: {TOKEN}\r\n"
    status = "200 OK" if where in ("header", "id") else "400 Bad Request"
    with (
        caplog.at_level(logging.DEBUG),
        misbehaving(_respond(bodies[where], status=status, headers=headers)) as service,
    ):
        with pytest.raises(RequestError) as caught:
            get(service)
    error: BaseException | None = caught.value
    while error is not None:
        assert TOKEN not in str(error) + repr(vars(error))
        error = error.__cause__ or error.__context__
    assert "receive_response_headers" in caplog.text
    assert TOKEN not in caplog.text
    assert TOKEN not in str([vars(record) for record in caplog.records])


def test_an_error_names_the_url(get: Get) -> None:
    with misbehaving(_respond(b'{"detail": "gone"}', status="410 Gone")) as service:
        with pytest.raises(NotFoundError) as caught:
            get(service)
        assert str(caught.value).startswith(f"GET {service.url}/models/acme/det/versions/1 failed with 410 Gone: gone.")


def test_an_error_has_no_chained_exceptions(get: Get) -> None:
    def script(caller: Caller) -> None:
        caller.read_request()

    with misbehaving(script) as service, pytest.raises(ConnectionFailedError) as caught:
        get(service)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


class TestThroughAProxy:
    """Without a tunnel, a POST never leaves this machine, so another attempt cannot create a second version."""

    @pytest.mark.parametrize("way", ["closes", "hangs", "refuses", "babbles"])
    def test_a_proxy_that_fails_during_connect(self, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
        def script(caller: Caller) -> None:
            assert caller.read_request().startswith(b"CONNECT wriftai.example:443")
            match way:
                case "hangs":
                    caller.ended.wait()
                case "refuses":
                    caller.respond(b"", status="407 Proxy Authentication Required")
                case "babbles":
                    caller.send(b"SSH-2.0-OpenSSH_9.2\r\n")

        with misbehaving(script) as proxy:
            monkeypatch.setenv("HTTPS_PROXY", f"http://{proxy.host}")
            with API("https://wriftai.example/v1", TOKEN, retry=ONCE, timeout=0.3) as api:
                with pytest.raises(ConnectionFailedError, match=r"Check the proxy that HTTPS_PROXY") as caught:
                    Versions(api).create("acme", "det", PARAMS)
        assert not caught.value.ambiguous

    def test_a_post_that_was_sent_is_ambiguous(self) -> None:
        def script(caller: Caller) -> None:
            caller.read_request()

        with misbehaving(script) as service, API(service.url, TOKEN, retry=ONCE) as api:
            with pytest.raises(ConnectionFailedError) as caught:
                Versions(api).create("acme", "det", PARAMS)
        assert caught.value.ambiguous

    def test_a_407_of_a_plain_proxy_advises_about_the_proxy(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with misbehaving(_respond(b"", status="407 Proxy Authentication Required")) as proxy:
            monkeypatch.setenv("HTTP_PROXY", f"http://{proxy.host}")
            with API("http://wriftai.example/v1", TOKEN, allow_plain_http=True, retry=ONCE) as api:
                with pytest.raises(APIError, match="The proxy requires credentials") as caught:
                    Versions(api).create("acme", "det", PARAMS)
        assert not caught.value.ambiguous

    @pytest.mark.parametrize(
        ("exempt", "url", "is_used"),
        [
            ("wriftai.example:8443", "https://wriftai.example:8443/v1", False),
            ("wriftai.example:8443", "https://wriftai.example:9443/v1", True),
            ("wriftai.example:443", "https://wriftai.example/v1", False),
            (".example", "https://wriftai.example:8443/v1", False),
            ("10.0.0.0/8", "https://10.1.2.3/v1", False),
            ("10.0.0.0/8", "https://11.1.2.3/v1", True),
            ("fd00::/8", "https://[fd00::1]:8443/v1", False),
            ("*", "https://wriftai.example/v1", False),
            ("other.example, ,x/y", "https://wriftai.example/v1", True),
        ],
    )
    def test_no_proxy(self, monkeypatch: pytest.MonkeyPatch, exempt: str, url: str, is_used: bool) -> None:
        from airflow_provider_wriftai.client.transport_pool import find_proxy

        monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
        monkeypatch.setenv("NO_PROXY", exempt)
        assert (find_proxy(url) is not None) is is_used


def test_an_interruption_leaves_no_frame_with_the_token() -> None:
    """Airflow's timeout can interrupt a request, and error trackers show the local variables of all frames."""

    class Interruption(BaseException):
        pass

    class Interrupted(httpx.BaseTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            headers = dict(request.headers)
            assert headers["authorization"]
            raise Interruption

    with API("https://h.example/v1", TOKEN, transport=Interrupted()) as api:
        with pytest.raises(Interruption) as caught:
            Versions(api).get("acme/det:1")
    frame = caught.value.__traceback__
    while frame is not None:
        assert TOKEN not in str({name: repr(value) for name, value in frame.tb_frame.f_locals.items()})
        frame = frame.tb_next
