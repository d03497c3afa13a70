"""The hook on a real Airflow, with connections as users write them into the environment."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from airflow_provider_wriftai._airflow.compat import Connection
from airflow_provider_wriftai._airflow.connection import EXTRA_FIELDS, UI_FIELD_BEHAVIOUR
from airflow_provider_wriftai.client.backoff import Backoff
from airflow_provider_wriftai.client.errors import ConfigurationError
from airflow_provider_wriftai.client.versions import Versions
from airflow_provider_wriftai.hooks.wriftai import WriftAIHook
from tests.support.sandbox import Sandbox

VARIABLE = "AIRFLOW_CONN_WRIFTAI_DEFAULT"


def _write_connections(sandbox: Sandbox) -> dict[str, str]:
    host, port = urlsplit(sandbox.url).netloc.split(":")
    token = quote(sandbox.token, safe="")
    full = Connection(
        conn_id="x", conn_type="wriftai", host=f"{sandbox.url}/v1", password=sandbox.token, extra='{"timeout": 5}'
    )
    return {
        "JSON with a full URL": json.dumps(sandbox.connection(host=f"{sandbox.url}/v1")),
        "JSON with host, port and schema": json.dumps(sandbox.connection(host=host, port=int(port), schema="http")),
        "JSON with an extra": json.dumps(sandbox.connection(extra={"timeout": 5, "ca_bundle": None})),
        "URI with the protocol as schema": f"wriftai://:{token}@{host}:{port}/http",
        "URI with two protocols": f"wriftai://http://:{token}@{host}:{port}/v1",
        "URI with a query": f"wriftai://:{token}@{host}:{port}/http?timeout=5&allow_plain_http=false",
        "URI as Airflow writes it": full.get_uri(),
        # Airflow 3.0's tasks cannot write one.
        "JSON as Airflow writes it": full.as_json() if hasattr(full, "as_json") else full.get_uri(),
    }


@pytest.mark.parametrize(
    "way",
    [
        "JSON with a full URL",
        "JSON with host, port and schema",
        "JSON with an extra",
        "URI with the protocol as schema",
        "URI with two protocols",
        "URI with a query",
        "URI as Airflow writes it",
        "JSON as Airflow writes it",
    ],
)
def test_every_way_to_write_the_connection_works(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    owner, name = sandbox.new_model(versions=1).split("/")
    monkeypatch.setenv(VARIABLE, _write_connections(sandbox)[way])
    with WriftAIHook().get_conn() as api:
        assert [version["number"] for version in Versions(api).list(owner, name).items] == [1]

    async def run() -> Any:
        async with await WriftAIHook().aget_conn() as api:
            return await Versions(api).async_list(owner, name)

    assert [version["number"] for version in asyncio.run(run()).items] == [1]
    worked, message = WriftAIHook().test_connection()
    assert worked
    assert message.startswith(f"Signed in to {sandbox.url}/")
    assert message.endswith("/v1 as acme.")


def test_without_a_host_it_is_the_public_api(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "wriftai://:some-token@")
    assert WriftAIHook().get_conn().base_url == "https://api.wrift.ai/v1"


def test_another_connection(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_OTHER", json.dumps(sandbox.connection()))
    assert WriftAIHook("other").get_conn().base_url == sandbox.base_url()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"password": "wrong-token"}, "401 Unauthorized"),
        ({"password": None}, "401 Unauthorized"),
        ({"host": "http://127.0.0.1:1"}, "Connect call failed"),
        ({"host": "http://api.example.com"}, "unencrypted"),
        ({"host": "http://{here}/nothing/v1"}, "404 Not Found"),
        ({"host": "http://{here}/v1/models"}, "404 Not Found"),
        ({"host": "not a host"}, "plain ASCII without spaces"),
    ],
)
def test_a_failing_test_names_the_cause_without_the_token(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], expected: str
) -> None:
    here = urlsplit(sandbox.url).netloc
    if changes.get("host"):
        changes = {"host": changes["host"].replace("{here}", here)}
    monkeypatch.setattr("airflow_provider_wriftai.client.retrying._BACKOFF", Backoff(0.0))
    monkeypatch.setenv(VARIABLE, json.dumps(sandbox.connection(**changes)))
    worked, message = WriftAIHook().test_connection()
    assert not worked
    assert expected in message
    assert "wrong-token" not in message
    assert sandbox.token not in message


def test_an_invalid_connection_is_refused(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, json.dumps(sandbox.connection(extra={"timeout": "never"})))
    with pytest.raises(ConfigurationError, match="number of seconds"):
        WriftAIHook().get_conn()


def test_older_and_newer_airflows_show_the_same_form() -> None:
    behaviour = WriftAIHook.get_ui_field_behaviour()
    assert behaviour == {key.replace("-", "_"): value for key, value in UI_FIELD_BEHAVIOUR.items()}
    pytest.importorskip("flask_appbuilder", reason="only Airflow before 3.2 asks the hook for its form fields")
    widgets = WriftAIHook.get_connection_form_widgets()
    assert list(widgets) == list(EXTRA_FIELDS)


def _read_documented_connections() -> list[str]:
    document = Path(__file__).parent.parent.parent / "docs" / "connection.md"
    return re.findall(r"^export AIRFLOW_CONN_WRIFTAI_DEFAULT='(.*)'$", document.read_text(), re.MULTILINE)


@pytest.mark.parametrize("way", _read_documented_connections())
def test_the_documented_connections_are_the_same(monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    monkeypatch.setenv(VARIABLE, way)
    with WriftAIHook().get_conn() as api:
        assert api.base_url.replace(":443", "") == "https://api.wrift.ai/v1"
        assert api._token.reveal() == "TOKEN"


def test_a_connection_of_another_service_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", "aws://AKIA:SECRET@")
    with pytest.raises(ConfigurationError, match="its type is 'aws' instead of 'wriftai'") as caught:
        WriftAIHook("aws_default").get_conn()
    assert "SECRET" not in str(caught.value)
    with pytest.raises(ConfigurationError, match="its type is 'aws'"):
        asyncio.run(WriftAIHook("aws_default").aget_conn())


def test_a_missing_connection_is_final() -> None:
    hook = WriftAIHook("no_such")
    openers: list[Callable[[], object]] = [hook.get_conn, lambda: asyncio.run(hook.aget_conn())]
    for open_connection in openers:
        with pytest.raises(ConfigurationError, match="Connection 'no_such' does not exist") as caught:
            open_connection()
        assert not caught.value.retryable
    assert WriftAIHook("no_such").test_connection()[0] is False


@pytest.mark.parametrize(
    ("connection_id", "problem"),
    [(None, "is empty"), ("", "is empty"), (" ", "is empty"), ("None", "is empty"), (5, "must be text; got 5")],
)
def test_an_id_that_another_task_returned_is_checked(connection_id: Any, problem: str) -> None:
    hook = WriftAIHook(connection_id)
    openers: list[Callable[[], object]] = [hook.get_conn, lambda: asyncio.run(hook.aget_conn()), hook.check_connection]
    for open_connection in openers:
        with pytest.raises(ConfigurationError, match=f"wriftai_conn_id {problem}"):
            open_connection()


@pytest.mark.parametrize("value", ["wriftai://:s3/cret@localhost:8787/http", '{"conn_type": "wriftai", "port": "abc"}'])
def test_a_connection_that_airflow_cannot_read_is_not_called_missing(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_BROKEN", value)
    with pytest.raises(ConfigurationError, match="'AIRFLOW_CONN_BROKEN' contains neither a valid") as caught:
        WriftAIHook("broken").get_conn()
    assert "cret" not in str(caught.value)


SECRET = "s3cret-t0ken-0f-acme"


@pytest.mark.parametrize(
    "connection",
    [
        {"extra": {"timeout": "never"}},
        {"extra": {"token": SECRET}},
        {"extra": SECRET},
        {"extra": f'{{"ca_bundle": "{SECRET}", "x"'},
        {"host": f"http://user:{SECRET}@h"},
        {"host": f"https://h:{SECRET}"},
        {"host": f"ftp://h/{SECRET}"},
        {"host": "http://far.example"},
        {"login": SECRET, "password": None},
        {"password": f"{SECRET} and more"},
        {"conn_type": "aws"},
        {"schema": SECRET},
        {"extra": {"ca_bundle": "/no/such/file"}},
    ],
)
@pytest.mark.parametrize("way", ["sync", "async"])
def test_no_frame_of_a_traceback_holds_a_secret(
    monkeypatch: pytest.MonkeyPatch, connection: dict[str, Any], way: str
) -> None:
    fields = {"conn_type": "wriftai", "host": "h", "password": SECRET, **connection}
    if isinstance(fields.get("extra"), dict):
        fields["extra"] = json.dumps(fields["extra"])
    monkeypatch.setenv(VARIABLE, json.dumps(fields))
    with pytest.raises(ConfigurationError) as caught:
        WriftAIHook().get_conn() if way == "sync" else asyncio.run(WriftAIHook().aget_conn())
    _check_frames(caught.value, SECRET)


def _check_frames(error: BaseException | None, secret: str) -> None:
    """Check the local variables of every frame of an error, its causes, and its contexts."""
    while error is not None:
        frame = error.__traceback__
        while frame is not None:
            if "airflow_provider_wriftai" in frame.tb_frame.f_code.co_filename and "/tests/" not in (
                frame.tb_frame.f_code.co_filename
            ):
                values = {name: repr(value) for name, value in frame.tb_frame.f_locals.items()}
                assert not [name for name, value in values.items() if secret in value], frame.tb_frame
            frame = frame.tb_next
        error = error.__cause__ or error.__context__
