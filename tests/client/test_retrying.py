"""Which requests are retried: each failure with each method, over httpx's mock transport."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from airflow_provider_wriftai.client.api import API
from airflow_provider_wriftai.client.errors import RateLimitedError, RequestError, WriftAIError
from airflow_provider_wriftai.client.retrying import RetryPolicy
from airflow_provider_wriftai.client.versions import Versions

pytestmark = pytest.mark.usefixtures("no_waiting")

GOOD = {"GET": (200, {"number": 1}), "POST": (201, {"number": 1}), "DELETE": (204, None)}

FAILURES: dict[str, Any] = {
    "no connection": httpx.ConnectError("refused"),
    "connect timeout": httpx.ConnectTimeout("slow"),
    "read timeout": httpx.ReadTimeout("slow"),
    "connection broke": httpx.RemoteProtocolError("reset"),
    "cut off": httpx.ReadError("eof"),
    **{
        str(status): status
        for status in (
            301,
            303,
            307,
            400,
            401,
            403,
            404,
            408,
            409,
            410,
            422,
            425,
            429,
            499,
            500,
            501,
            502,
            503,
            504,
            520,
            521,
            522,
            523,
            524,
            529,
        )
    },
}


GROUPS = {
    "no connection, or a timeout while connecting": ["no connection", "connect timeout"],
    "a read timeout or a broken connection": ["read timeout", "connection broke", "cut off"],
    "520 to 524": ["520", "521", "522", "523", "524"],
    "3xx": ["301", "303", "307"],
    "other 5xx": ["501"],
}
"""The failures that a row of the guide's table stands for."""


def _failures_of(cell: str) -> list[str]:
    names = [cell] if cell in GROUPS else cell.split(", ")
    return [failure for name in names for failure in GROUPS.get(name, [name])]


def _documented() -> list[tuple[str, str, str]]:
    """Return the rows of the table in the client's guide: method, failure, and what happens."""
    guide = (Path(__file__).parent.parent.parent / "docs" / "client.md").read_text()
    rows = re.findall(
        r"^\| ([a-z0-9][^|]*) \| (retried|final|ambiguous) \| (retried|final|ambiguous) \|$", guide, re.MULTILINE
    )
    return [
        (method, failure, happens)
        for cell, idempotent, post in rows
        for failure in _failures_of(cell.strip())
        for method, happens in (("GET", idempotent), ("DELETE", idempotent), ("POST", post))
    ]


class ScriptedService:
    """Responds with each entry of a script in turn, and repeats the last one."""

    def __init__(self, *script: Any) -> None:
        self._script = list(script)
        self.requests = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests += 1
        entry = self._script.pop(0) if len(self._script) > 1 else self._script[0]
        if isinstance(entry, Exception):
            raise entry
        if entry == "good":
            status, body = GOOD[request.method]
            return httpx.Response(status, json=body) if body else httpx.Response(status)
        return httpx.Response(entry, json={"detail": "scripted"})


Request = Callable[[str, ScriptedService], Any]


@pytest.fixture(params=["sync", "async"])
def call(request: pytest.FixtureRequest) -> Request:
    def arguments(method: str) -> tuple[str, tuple[Any, ...]]:
        if method == "POST":
            return "create", ("acme", "det", {})
        return {"GET": "get", "DELETE": "delete"}[method], ("acme/det:1",)

    def call_it(method: str, script: ScriptedService) -> Any:
        name, values = arguments(method)
        transport = httpx.MockTransport(script)
        # A host of its own, so that no other test's rate limit counts here.
        api = API(
            f"https://{id(script)}.example/v1",
            retry=RetryPolicy(attempts=3, seconds=5),
            transport=transport,
            async_transport=transport,
        )
        if request.param == "sync":
            with api:
                return getattr(Versions(api), name)(*values)

        async def run() -> Any:
            async with api:
                return await getattr(Versions(api), f"async_{name}")(*values)

        return asyncio.run(run())

    return call_it


def test_the_table_is_complete() -> None:
    assert sorted(_documented()) == sorted(set(_documented()))
    assert {failure for _, failure, _ in _documented()} == set(FAILURES)


@pytest.mark.parametrize(("method", "failure", "happens"), _documented())
def test_the_table_holds(call: Request, method: str, failure: str, happens: str) -> None:
    script = ScriptedService(FAILURES[failure], "good")
    if happens == "retried":
        call(method, script)
        assert script.requests == 2
        return
    with pytest.raises(RequestError) as caught:
        call(method, script)
    assert script.requests == 1
    assert happens in ("ambiguous", "final")
    if method == "POST":
        assert caught.value.ambiguous is (happens == "ambiguous")


def test_the_last_error_is_raised_unchanged_when_the_attempts_are_used_up(call: Request) -> None:
    script = ScriptedService(500, 502, 503)
    with pytest.raises(WriftAIError) as caught:
        call("GET", script)
    assert script.requests == 3
    assert caught.value.status == 503  # type: ignore[attr-defined]


@pytest.mark.parametrize("failure", ["read timeout", "connection broke", "500"])
def test_a_delete_succeeds_with_404_after_an_attempt_that_may_have_arrived(call: Request, failure: str) -> None:
    assert call("DELETE", ScriptedService(FAILURES[failure], 404)) is None


@pytest.mark.parametrize("failure", ["no connection", "429"])
def test_a_delete_fails_with_404_after_an_attempt_that_cannot_have_arrived(call: Request, failure: str) -> None:
    with pytest.raises(WriftAIError, match="404"):
        call("DELETE", ScriptedService(FAILURES[failure], 404))


def test_waiting_for_the_rate_limit_uses_up_no_attempts(call: Request) -> None:
    script = ScriptedService(429, 429, 429, 429, 500, 429, 500, "good")
    call("GET", script)
    assert script.requests == 8


def test_a_limit_that_is_never_lifted_ends_with_its_own_error(monkeypatch: pytest.MonkeyPatch) -> None:
    script = ScriptedService(429)
    api = API("https://limited.example/v1", retry=RetryPolicy(seconds=0.5), transport=httpx.MockTransport(script))
    with api, pytest.raises(RateLimitedError, match="pool"):
        Versions(api).get("acme/det:1")
    assert script.requests > 1
