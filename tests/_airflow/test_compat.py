from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import threading
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from airflow_provider_wriftai._airflow import compat
from airflow_provider_wriftai._airflow.compat import AIRFLOW_V_3_0_PLUS, aget_connection
from airflow_provider_wriftai.hooks.wriftai import WriftAIHook

LOCATIONS: dict[str, dict[tuple[int, int], str]] = vars(compat)["_LOCATIONS"]


def test_all_lists_every_public_name_once() -> None:
    constants = {name for name in vars(compat) if name.isupper() and not name.startswith(("_", "TYPE_"))}
    functions = {name for name, value in vars(compat).items() if getattr(value, "__module__", "") == compat.__name__}
    public = {*LOCATIONS, *constants, *(name for name in functions if not name.startswith("_"))}
    assert set(compat.__all__) == public
    assert len(compat.__all__) == len(public)


@pytest.mark.parametrize("name", sorted(LOCATIONS))
def test_every_name_is_imported_without_a_warning_about_it(name: str) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        vars(compat).pop(name, None)
        assert getattr(compat, name) is not None
    assert [str(warning.message) for warning in caught if name in str(warning.message)] == []


@pytest.mark.parametrize("name", sorted(LOCATIONS))
def test_the_places_of_a_name_are_listed_newest_airflow_first_and_end_with_the_oldest(name: str) -> None:
    versions = list(LOCATIONS[name])
    assert versions[-1] == (2, 11)
    assert versions == sorted(versions, reverse=True)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'BaseHooks'"):
        vars(compat)["__getattr__"]("BaseHooks")


def test_an_older_airflow_is_named_in_the_error() -> None:
    """This happens only to an installation without dependencies, because pip refuses such an Airflow."""
    code = "import airflow; airflow.__version__ = '2.10.5'; import airflow_provider_wriftai.hooks.wriftai"
    process = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=False)
    assert process.stderr.endswith("requires Airflow 2.11 or later; found 2.10.5.\n")


@contextmanager
def _supervisor() -> Iterator[tuple[socket.socket, Counter[str]]]:
    """Run the supervisor's end of a triggerer's channel. It knows every connection, and counts requests by type."""
    from airflow.sdk.execution_time.comms import _RequestFrame, _ResponseFrame
    from msgspec.msgpack import Decoder

    requests: Counter[str] = Counter()
    ours, theirs = socket.socketpair()

    def serve() -> None:
        decoder = Decoder(_RequestFrame)
        with ours, ours.makefile("rb") as stream:
            while length := stream.read(4):
                frame = decoder.decode(stream.read(int.from_bytes(length, "big")))
                request = frame.body or {}
                kind = request["type"]
                requests[kind] += 1
                body: dict[str, Any] | None = None
                if kind == "GetConnection":
                    empty = dict.fromkeys(("host", "schema", "login", "port", "extra"))
                    conn_id = request["conn_id"]
                    body = {**empty, "conn_id": conn_id, "conn_type": "wriftai", "password": f"token of {conn_id}"}
                    body["type"] = "ConnectionResult"
                ours.sendall(_ResponseFrame(id=frame.id, body=body).as_bytes())

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield theirs, requests
    finally:
        theirs.close()
        thread.join()


@pytest.mark.timeout(60)
@pytest.mark.skipif(not AIRFLOW_V_3_0_PLUS, reason="Triggers of Airflow 2 read the database themselves")
@pytest.mark.parametrize("triggers", [1, 200])
def test_many_triggers_look_up_connections_at_once(monkeypatch: pytest.MonkeyPatch, triggers: int) -> None:
    """The look-ups share the triggerer's channel to its supervisor with other requests."""
    from airflow.jobs.triggerer_job_runner import TriggerCommsDecoder
    from airflow.sdk.execution_time import task_runner
    from airflow.sdk.execution_time.comms import GetConnection

    async def look_up_all(theirs: socket.socket) -> list[Any]:
        reader, writer = await asyncio.open_connection(sock=theirs)
        channel: Any = TriggerCommsDecoder(async_reader=reader, async_writer=writer, socket=theirs)
        monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", channel, raising=False)
        if hasattr(channel, "start_reader"):
            await channel.start_reader()
        ours = (aget_connection(WriftAIHook, f"wriftai_{number}") for number in range(triggers))
        others = (channel.asend(GetConnection(conn_id=f"other_{number}")) for number in range(triggers))
        try:
            async with asyncio.timeout(50):
                return await asyncio.gather(*ours, *others)
        finally:
            if hasattr(channel, "_reader_task"):
                channel._reader_task.cancel()
            writer.close()

    with _supervisor() as (theirs, requests):
        connections = asyncio.run(look_up_all(theirs))
    assert [connection.password for connection in connections] == [
        f"token of {name}_{number}" for name in ("wriftai", "other") for number in range(triggers)
    ]
    assert requests["GetConnection"] == 2 * triggers


def test_a_connection_of_the_environment_is_found_without_a_supervisor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_ELSEWHERE", '{"conn_type": "wriftai", "host": "wriftai.example"}')

    async def look_up() -> Any:
        return await asyncio.gather(*(aget_connection(WriftAIHook, "elsewhere") for _ in range(20)))

    assert {connection.host for connection in asyncio.run(look_up())} == {"wriftai.example"}
