"""No frame of a traceback holds the token: error trackers show the local variables of all frames."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime
from types import FrameType
from typing import Any

import httpx
import pytest

from airflow_provider_wriftai._airflow.connection import ConnectionFields, parse_connection
from airflow_provider_wriftai.client.api import API
from airflow_provider_wriftai.client.versions import Versions
from airflow_provider_wriftai.hooks.wriftai import WriftAIHook
from airflow_provider_wriftai.operators.cleanup import WriftAICleanupVersionsOperator
from airflow_provider_wriftai.operators.models import WriftAIListModelsOperator
from airflow_provider_wriftai.operators.versions import (
    WriftAICreateVersionOperator,
    WriftAIDeleteVersionOperator,
    WriftAIGetVersionOperator,
    WriftAIUpdateVersionConfigurationOperator,
)
from airflow_provider_wriftai.sensors.versions import WriftAIVersionSensor
from airflow_provider_wriftai.triggers.versions import WriftAIVersionTrigger

SECRET = "s3cret-t0ken-0f-acme"
DIGEST = "sha256:" + "ab" * 32


class Interruption(BaseException):
    """Stands for an exception that Airflow raises at any point, for a timeout or a signal."""


def _frames_of(error: BaseException) -> list[FrameType]:
    """Return every frame of an error, its causes, its contexts, and the errors in its groups."""
    frames: list[FrameType] = []
    pending: list[BaseException | None] = [error]
    seen: set[int] = set()
    while pending:
        each = pending.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        # An error that is raised `from None` keeps its context too.
        pending += [each.__cause__, each.__context__]
        if isinstance(each, BaseExceptionGroup):
            pending += each.exceptions
        traceback = each.__traceback__
        while traceback is not None:
            frames.append(traceback.tb_frame)
            traceback = traceback.tb_next
    return frames


def _check(error: BaseException) -> None:
    ours = [frame for frame in _frames_of(error) if "airflow_provider_wriftai" in frame.f_globals.get("__name__", "")]
    assert ours
    for frame in ours:
        for name, value in frame.f_locals.items():
            assert SECRET not in repr(value), f"{name} of {frame.f_code.co_qualname}"


def _respond(status: int, **content: Any) -> Callable[[httpx.Request], httpx.Response]:
    return lambda request: httpx.Response(status, **content)


def _fail(error: type[BaseException]) -> Callable[[httpx.Request], httpx.Response]:
    def fail(request: httpx.Request) -> httpx.Response:
        if issubclass(error, httpx.RequestError):
            raise error("failed", request=request)
        raise error

    return fail


def _echo(request: httpx.Request) -> httpx.Response:
    return httpx.Response(403, json={"detail": request.headers["authorization"]})


FEW_ATTEMPTS = {"retry_attempts": 2, "retry_seconds": 0.1, "rate_limit_sharing": "off"}

FAILURES: dict[str, Callable[[httpx.Request], httpx.Response]] = {
    **{str(status): _respond(status, json={"detail": "no"}) for status in (302, 401, 403, 404, 409, 422, 429, 500)},
    **{
        each.__name__: _fail(each)
        for each in (
            httpx.ConnectError, httpx.ConnectTimeout, httpx.ReadTimeout, httpx.RemoteProtocolError, httpx.ProxyError,
            httpx.LocalProtocolError, Interruption, RuntimeError,
        )
    },
    "no JSON": _respond(200, text="<html>"),
    "empty object": _respond(200, json={}),
    "nested": _respond(200, text="[" * 5000),
    "encoded": _respond(200, headers={"content-encoding": "br"}),
    "echo": _echo,
}  # fmt: skip


@pytest.fixture(params=FAILURES)
def failure(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, no_waiting: None) -> str:
    """A service that fails, behind a connection that is read as tasks read it."""
    transport = httpx.MockTransport(FAILURES[request.param])
    original = API.__init__

    def init(self: API, *arguments: Any, **settings: Any) -> None:
        original(self, *arguments, **{**settings, "transport": transport, "async_transport": transport})

    monkeypatch.setattr(API, "__init__", init)
    connection = {
        "conn_type": "wriftai", "host": "https://h.example", "password": SECRET,
        "extra": FEW_ATTEMPTS,
    }  # fmt: skip
    monkeypatch.setenv("AIRFLOW_CONN_WRIFTAI_DEFAULT", json.dumps(connection))
    name: str = request.param
    return name


def _open() -> API:
    return API(
        **parse_connection(ConnectionFields(host="https://h.example", password=SECRET, extra=json.dumps(FEW_ATTEMPTS)))
    )


def _get_sync() -> None:
    with _open() as api:
        Versions(api).get("acme/m:1")


def _get_async() -> None:
    async def get() -> None:
        async with _open() as api:
            await Versions(api).async_get("acme/m:1")

    asyncio.run(get())


def _list_with_hook() -> None:
    with WriftAIHook().get_conn() as api:
        Versions(api).list("acme", "m")


def _create() -> None:
    schemas: dict[str, Any] = {"prediction": {"input": {}, "output": {}}}
    WriftAICreateVersionOperator(
        task_id="t", model="acme/m", image=DIGEST, release_notes="x", schemas=schemas, settle_seconds=0
    ).execute({})


WAYS: dict[str, Callable[[], object]] = {
    "client": _get_sync,
    "asynchronous client": _get_async,
    "hook": _list_with_hook,
    "create": _create,
    "get": lambda: WriftAIGetVersionOperator(task_id="t", version="acme/m:1").execute({}),
    "delete": lambda: WriftAIDeleteVersionOperator(task_id="t", version="acme/m:1", fail_if_missing=True).execute({}),
    "configure": lambda: WriftAIUpdateVersionConfigurationOperator(
        task_id="t", version="acme/m:1", hardware_identifier="x"
    ).execute({}),
    "prune": lambda: WriftAICleanupVersionsOperator(task_id="t", model="acme/m", keep_last=1).execute({}),
    "models": lambda: WriftAIListModelsOperator(task_id="t", model_owner="acme").execute({}),
    "sensor": lambda: WriftAIVersionSensor(
        task_id="t", model="acme/m", newer_than=1, max_consecutive_failures=0, poke_interval=0.01, timeout=0.05
    ).execute({}),
}


@pytest.mark.parametrize("way", WAYS)
def test_no_frame_of_a_failure_holds_the_token(failure: str, way: str) -> None:
    try:
        WAYS[way]()
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        _check(error)
    else:
        # The body of the response to a delete is not read.
        assert failure == "empty object" or (failure, way) == ("nested", "delete"), "no error was raised"


def test_no_frame_of_a_trigger_that_fails_holds_the_token(failure: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A trigger reports errors of the service in its event. The triggerer logs any other error with its frames."""
    if failure == "Interruption":
        pytest.skip("Airflow interrupts tasks on workers, and cancels triggers")

    def fail(*_: Any) -> None:
        raise RuntimeError("the event cannot be counted")

    monkeypatch.setattr("airflow_provider_wriftai._airflow.metrics.count", fail)
    trigger = WriftAIVersionTrigger(
        criteria={"version": "acme/m:1"}, poll_interval=1, deadline=datetime.now(UTC), max_consecutive_failures=0
    )

    async def run() -> None:
        async for _ in trigger.run():
            pass

    with pytest.raises(RuntimeError) as caught:
        asyncio.run(run())
    assert failure
    _check(caught.value)
