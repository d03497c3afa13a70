"""Text from others is shown as text: it cannot forge log lines, or control a terminal or a log viewer."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from airflow_provider_wriftai._airflow.checkpoint_store import CheckpointStore
from airflow_provider_wriftai._airflow.connection import ConnectionFields, parse_connection
from airflow_provider_wriftai._airflow.wait_parameters import check_start_parameters
from airflow_provider_wriftai.client.api import API
from airflow_provider_wriftai.client.backoff import Backoff
from airflow_provider_wriftai.client.retrying import RetryPolicy
from airflow_provider_wriftai.domain.patterns import Pattern
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
from airflow_provider_wriftai.triggers.published import WriftAIVersionPublishedTrigger
from airflow_provider_wriftai.triggers.versions import WriftAIStartedVersionTrigger, WriftAIVersionTrigger

FORGED = "x\n[2026-01-01] INFO - Created acme/m:99\r\x1b[31m\u202e::group::x\u2028\x85"
IN_A_HEADER = "x \x1b[31m ::group:: \x85".encode("latin-1")
DIGEST, OTHER = ("sha256:" + pair * 32 for pair in ("ab", "cd"))
SCHEMAS: dict[str, Any] = {"prediction": {"input": {}, "output": {}}}


class RecordingLogger:
    """A logger that records its lines."""

    def __init__(self, lines: list[str]) -> None:
        self._lines = lines

    def __getattr__(self, level: str) -> Callable[..., None]:
        return lambda message, *values, **_: self._lines.append(message % values if values else message)


class Output:
    """The text that users see: log lines, messages of errors, and results that are text."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def record(self, action: Callable[[], object]) -> None:
        """Run an action, and record its error or its result."""
        try:
            result = action()
        except BaseException as error:  # noqa: BLE001 - a task shows any error
            self.lines.append(str(error))
        else:
            if isinstance(result, str):
                self.lines.append(result)


@pytest.fixture
def output(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Iterator[Output]:
    """The output of a test, which is checked when the test ends."""
    output = Output()
    for cls in (
        WriftAICreateVersionOperator, WriftAIGetVersionOperator, WriftAIDeleteVersionOperator,
        WriftAIUpdateVersionConfigurationOperator, WriftAICleanupVersionsOperator, WriftAIListModelsOperator,
        WriftAIVersionSensor, WriftAIVersionTrigger, WriftAIStartedVersionTrigger, WriftAIVersionPublishedTrigger,
    ):  # fmt: skip
        monkeypatch.setattr(cls, "log", RecordingLogger(output.lines))
    caplog.set_level(logging.DEBUG, "airflow_provider_wriftai")
    yield output
    output.lines += [
        record.getMessage() for record in caplog.get_records("call") if record.name.startswith("airflow_provider")
    ]
    _check(output.lines)


def _check(lines: list[str]) -> None:
    assert lines, "there was no output"
    for line in lines:
        first, *others = line.split("\n")
        # Our own lists continue on indented lines.
        assert all(other.startswith("  ") for other in others), line
        assert all(part.isprintable() for part in (first, *others)), line
        assert "::" not in line


def _create(**changes: Any) -> Any:
    arguments = {"model": "acme/m", "image": DIGEST, "release_notes": "x", "schemas": SCHEMAS, "settle_seconds": 0}
    return WriftAICreateVersionOperator(task_id="t", **{**arguments, **changes}).execute({})


def _prune(**parameters: Any) -> Any:
    return WriftAICleanupVersionsOperator(task_id="t", **{"model": "acme/m", **parameters}).execute({})


def _poke(**parameters: Any) -> Any:
    bounds = {"max_consecutive_failures": 0, "poke_interval": 0.01, "timeout": 0.05}
    return WriftAIVersionSensor(task_id="t", **{**bounds, **parameters}).execute({})


def _resume(method: str, kwargs: dict[str, Any]) -> Any:
    return WriftAIVersionSensor(task_id="t", version="acme/m:1").resume_execution(method, kwargs, {})


def _schema(schema: object) -> dict[str, Any]:
    return {"prediction": {"input": schema, "output": {}}}


_ENTRY = {"mediaType": "application/vnd.oci.image.manifest.v1+json", "size": 5}
_NAMED = {"annotations": {"org.opencontainers.image.ref.name": FORGED, "io.containerd.image.name": FORGED}}

PARAMETERS: dict[str, Callable[[], object]] = {
    "model": lambda: _create(model=FORGED),
    "name of a model": lambda: _create(model=f"acme/{FORGED}"),
    "image": lambda: _create(image=FORGED),
    "image that is a path": lambda: _create(image=f"/no/such/{FORGED}"),
    "image that is a long path": lambda: _create(image=Path(f"/no/such/{FORGED * 9}")),
    "image reference": lambda: _create(image=f"{FORGED}@{DIGEST}x"),
    "image_selector": lambda: _create(image={"containerimage.digest": DIGEST}, image_selector=FORGED),
    "key of metadata": lambda: _create(image={FORGED: 1}),
    "metadata as text": lambda: _create(image=json.dumps({FORGED: FORGED})),
    "bake target": lambda: _create(image={FORGED: {"containerimage.digest": FORGED}}),
    "bake targets": lambda: _create(
        image={FORGED: {"containerimage.digest": DIGEST}, FORGED + "2": {"containerimage.digest": OTHER}}
    ),
    "image names": lambda: _create(
        image={"containerimage.digest": FORGED, "image.name": FORGED}, image_selector=f"{FORGED}2"
    ),
    "annotations": lambda: _create(
        image={"manifests": [{**_ENTRY, **_NAMED, "digest": DIGEST}, {**_ENTRY, **_NAMED, "digest": OTHER}]},
        image_selector="other",
    ),
    "media type": lambda: _create(image={"mediaType": FORGED, "digest": DIGEST, "size": 1}),
    "status of a build": lambda: _create(image={"status": FORGED, "results": {"images": []}}),
    "image of a build": lambda: _create(image={"images": [FORGED]}),
    "error of a push": lambda: _create(image={"aux": {"Digest": FORGED}, "error": FORGED}),
    "build of skaffold": lambda: _create(image={"builds": [{"imageName": FORGED, "tag": FORGED}]}),
    "release_notes": lambda: _create(release_notes=f"{FORGED}\0"),
    "schemas as text": lambda: _create(schemas=FORGED),
    "property": lambda: _create(schemas=_schema({"properties": {FORGED: {"type": FORGED}}})),
    "property with a reserved key": lambda: _create(schemas=_schema({"properties": {FORGED: {"__id__": FORGED}}})),
    "property that is not JSON": lambda: _create(schemas=_schema({"properties": {FORGED: object()}})),
    "pattern of a property": lambda: _create(schemas=_schema({"required": [FORGED, FORGED]})),
    "draft": lambda: _create(schemas=_schema({"$schema": FORGED})),
    "compatibilities": lambda: _create(compatibilities={FORGED: FORGED}),
    "configuration": lambda: _create(configuration={FORGED: FORGED}),
    "if_exists": lambda: _create(if_exists=FORGED),
    "on_duplicate": lambda: _create(on_duplicate=FORGED),
    "lookback": lambda: _create(lookback=FORGED),
    "settle_seconds": lambda: _create(settle_seconds=FORGED),
    "remember": lambda: _create(remember=FORGED),
    "version to fetch": lambda: WriftAIGetVersionOperator(task_id="t", version=FORGED).execute({}),
    "number to fetch": lambda: WriftAIGetVersionOperator(task_id="t", version=f"acme/m:{FORGED}").execute({}),
    "version from an XCom": lambda: WriftAIGetVersionOperator(task_id="t", version={"reference": FORGED}).execute({}),
    "XCom": lambda: WriftAIGetVersionOperator(task_id="t", version={FORGED: FORGED}).execute({}),
    "include_schemas": lambda: WriftAIGetVersionOperator(
        task_id="t", version="acme/m:1", include_schemas=FORGED
    ).execute({}),
    "version to delete": lambda: WriftAIDeleteVersionOperator(task_id="t", version=FORGED).execute({}),
    "fail_if_missing": lambda: WriftAIDeleteVersionOperator(
        task_id="t", version="acme/m:1", fail_if_missing=FORGED
    ).execute({}),
    "version to configure": lambda: WriftAIUpdateVersionConfigurationOperator(
        task_id="t", version=FORGED, hardware_identifier="x"
    ).execute({}),
    "variable_names": lambda: WriftAIUpdateVersionConfigurationOperator(
        task_id="t", version="acme/m:1", variable_names=f"[{FORGED}"
    ).execute({}),
    "model_owner": lambda: WriftAIListModelsOperator(task_id="t", model_owner=FORGED).execute({}),
    "protect": lambda: _prune(keep_last=1, protect=[FORGED]),
    "protect another model's": lambda: _prune(keep_last=1, protect=[f"{FORGED}/m:1"]),
    "protect as text": lambda: _prune(keep_last=1, protect=f"[{FORGED}"),
    "protect_release_notes": lambda: _prune(keep_last=1, protect_release_notes=f"({FORGED}"),
    "group in protect_release_notes": lambda: _prune(keep_last=1, protect_release_notes="(?\u202e\n::"),
    "only": lambda: _prune(keep_last=1, only=[FORGED]),
    "only, from an XCom": lambda: _prune(keep_last=1, only=[{"reference": FORGED}, {FORGED: 1}]),
    "keep_last": lambda: _prune(keep_last=FORGED),
    "older_than": lambda: _prune(older_than=FORGED),
    "dry_run": lambda: _prune(keep_last=1, dry_run=FORGED),
    "version to wait for": lambda: _poke(version=FORGED),
    "image to wait for": lambda: _poke(model="acme/m", image=FORGED),
    "newer_than": lambda: _poke(model="acme/m", newer_than=FORGED),
    "newer_than, from an XCom": lambda: _poke(model="acme/m", newer_than={FORGED: FORGED}),
    "release_notes to wait for": lambda: _poke(model="acme/m", release_notes=f"({FORGED}"),
    "max_consecutive_failures": lambda: _poke(model="acme/m", newer_than=1, max_consecutive_failures=FORGED),
    "event of a trigger": lambda: _resume("execute_complete", {"event": {FORGED: FORGED}}),
    "error of a trigger": lambda: _resume("__fail__", {"error": FORGED, "traceback": ["Traceback:\n", FORGED]}),
    "template": lambda: check_start_parameters([("version", f"{{{{ {FORGED} }}}}")]),
    "pattern": lambda: Pattern("release_notes", f"(?P<{FORGED}>x)"),
    "deadline of a trigger": lambda: WriftAIVersionTrigger(
        criteria={"version": "acme/m:1"}, poll_interval=1, deadline=FORGED
    ),
    "criteria of a trigger": lambda: WriftAIVersionTrigger(
        criteria={FORGED: FORGED}, poll_interval=1, deadline=datetime.now(UTC)
    ),
    "poll_interval of a trigger": lambda: WriftAIVersionPublishedTrigger(model="acme/m", poll_interval=FORGED),  # type: ignore[arg-type]
    "wriftai_conn_id": lambda: WriftAIHook(FORGED).get_conn(),
}


@pytest.mark.parametrize("source", PARAMETERS)
def test_a_parameter_is_shown_as_text(source: str, output: Output) -> None:
    output.record(PARAMETERS[source])
    assert any("\\n" in line or "\\u202e" in line for line in output.lines) or source in NOT_SHOWN, output.lines


NOT_SHOWN = {
    "release_notes", "metadata as text", "poll_interval of a trigger", "image reference", "XCom", "model_owner",
    "newer_than, from an XCom", "template",
}  # fmt: skip
"""The parameters whose values no message shows."""


@pytest.mark.parametrize(
    "connection",
    [
        {"connection_id": FORGED, "connection_type": FORGED},
        {"host": FORGED},
        {"host": f"https://{FORGED}"},
        {"host": f"http://h.example/{FORGED}", "password": "t0ken"},
        {"host": "h", "schema": FORGED},
        {"password": FORGED},
        {"extra": FORGED},
        {"extra": json.dumps({FORGED: 1})},
        {"extra": json.dumps({"timeout": FORGED})},
        {"extra": json.dumps({"allow_plain_http": FORGED})},
        {"extra": json.dumps({"ca_bundle": FORGED})},
    ],
)
def test_a_connection_is_shown_as_text(connection: dict[str, Any], output: Output) -> None:
    def open_connection() -> str:
        with API(**parse_connection(ConnectionFields(**connection))) as api:
            return api.base_url

    output.record(open_connection)


def _respond(status: int, body: Any = None, *, text: str | None = None, **headers: bytes) -> httpx.Response:
    content = text.encode() if text is not None else json.dumps(body).encode()
    date = format_datetime(datetime.now(UTC), usegmt=True).encode()
    fields = [(b"date", date), *((name.replace("_", "-").encode(), value) for name, value in headers.items())]
    return httpx.Response(status, headers=fields, content=content)


def _version(number: int, **changes: Any) -> dict[str, Any]:
    created = f"2026-01-0{number}T00:00:00+00:00"
    known = {"release_notes": FORGED, "created_at": created, "container_image_digest": DIGEST}
    return {"number": number, **known, **changes}


def _page(*items: Any, **fields: Any) -> dict[str, Any]:
    return {"items": list(items), "next_cursor": None, **fields}


RESPONSES: dict[str, Callable[[], httpx.Response]] = {
    "detail": lambda: _respond(403, {"detail": FORGED}),
    "details": lambda: _respond(422, {"detail": [{"loc": [FORGED, 1], "msg": FORGED}, FORGED]}),
    "object": lambda: _respond(500, {FORGED: {FORGED: FORGED}}),
    "text": lambda: _respond(502, text=FORGED),
    "title": lambda: _respond(502, text=f"<title>{FORGED}</title>"),
    "location": lambda: _respond(302, {}, location=IN_A_HEADER),
    "request id": lambda: _respond(404, {}, x_request_id=IN_A_HEADER),
    "encoding": lambda: _respond(200, {}, content_encoding=IN_A_HEADER),
    "no JSON": lambda: _respond(200, text=FORGED),
    "another thing": lambda: _respond(200, [FORGED]),
    "version without a name": lambda: _respond(200, _page({"id": FORGED})),
    "another version": lambda: _respond(200, {**_version(1), "id": FORGED}),
    "cursor": lambda: _respond(200, _page(_version(1), next_cursor=FORGED)),
    "cursor of another type": lambda: _respond(200, _page(_version(1), next_cursor=[FORGED])),
    "time": lambda: _respond(200, _page(_version(2, created_at=FORGED), _version(1, created_at=FORGED))),
    "digest": lambda: _respond(200, _page(_version(2, container_image_digest=FORGED), _version(1))),
    "release notes": lambda: _respond(200, _page(_version(2), _version(1))),
    "models": lambda: _respond(200, _page({"name": FORGED, "owner": "acme"})),
    "owner": lambda: _respond(200, _page({"name": "m", "owner": FORGED})),
    "user": lambda: _respond(200, {"username": FORGED}),
}

TASKS: dict[str, Callable[[], object]] = {
    "create": _create,
    "create, failing": lambda: _create(if_exists="fail", release_notes="y"),
    "get": lambda: WriftAIGetVersionOperator(task_id="t", version="acme/m:2").execute({}),
    "delete": lambda: WriftAIDeleteVersionOperator(task_id="t", version="acme/m:2").execute({}),
    "configure": lambda: WriftAIUpdateVersionConfigurationOperator(
        task_id="t", version="acme/m:2", hardware_identifier="x"
    ).execute({}),
    "models": lambda: WriftAIListModelsOperator(task_id="t", model_owner="acme").execute({}),
    "prune": lambda: _prune(keep_last=1, protect_release_notes=f"^{FORGED}$", protect=[DIGEST]),
    "wait": lambda: _poke(version="acme/m:2"),
    "wait for notes": lambda: _poke(model="acme/m", release_notes=f"{FORGED} nowhere", deferrable=True),
    "test": lambda: WriftAIHook().test_connection()[1],
}


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("response", RESPONSES)
def test_a_response_is_shown_as_text(monkeypatch: pytest.MonkeyPatch, output: Output, response: str, task: str) -> None:
    def open_api(*_: Any, **__: Any) -> API:
        transport = httpx.MockTransport(lambda _: RESPONSES[response]())
        return API(
            "https://h.example/v1", "t0ken-0f-acme", transport=transport, async_transport=transport,
            retry=RetryPolicy(attempts=1), rate_limit_sharing="off",
        )  # fmt: skip

    monkeypatch.setattr(WriftAIHook, "get_conn", open_api)
    monkeypatch.setattr("airflow_provider_wriftai.hooks.wriftai._open", open_api)
    monkeypatch.setenv("AIRFLOW_CONN_WRIFTAI_DEFAULT", json.dumps({"conn_type": "wriftai", "host": "h.example"}))
    output.record(TASKS[task])


@pytest.mark.usefixtures("output")
@pytest.mark.parametrize("error", [ValueError, OSError])
def test_an_error_of_airflows_store_is_shown_as_text(error: type[Exception]) -> None:
    class Broken:
        async def aget(self, _: str) -> Any:
            raise error(FORGED)

        async def aset(self, *_: Any) -> None:
            raise error(FORGED)

    store = CheckpointStore(Broken(), "key", Backoff(3600.0))

    async def load() -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(store.load(), 0.01)

    asyncio.run(load())
