"""Our client and the official one send the same request for the same call, recorded over a real socket."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from airflow_provider_wriftai.client.api import API
from airflow_provider_wriftai.client.versions import CreateVersionParams, Versions
from airflow_provider_wriftai.sandbox.app import create_app
from airflow_provider_wriftai.sandbox.server import running
from tests.support.sandbox import Sandbox

GENERATIONS = {"0.13.0": 1, "0.34.0": 2}

RecordedRequest = tuple[str, bytes, bytes, Any]


class Recorder:
    """Middleware that records each request: method, raw path, raw query, and parsed body."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.requests: list[RecordedRequest] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = b""

        async def receive_and_record() -> Any:
            nonlocal body
            message = await receive()
            body += message.get("body", b"")
            return message

        await self._app(scope, receive_and_record, send)
        if not body:
            # Not every endpoint reads its body.
            body = (await receive()).get("body", b"")
        parsed = json.loads(body) if body else None
        self.requests.append((scope["method"], scope["raw_path"], scope["query_string"], parsed))


def _drive_ours(url: str, token: str, owner: str, name: str, digest: str) -> None:
    """Make the calls of ``official_client.py`` with our client."""
    params: CreateVersionParams = {
        "release_notes": "by the official client",
        "schemas": {"prediction": {"input": {"type": "object"}, "output": {"type": "string"}}},
        "container_image_digest": digest,
    }
    with API(url, token) as api:
        versions = Versions(api)
        reference = versions.create(owner, name, params)["reference"]
        page = versions.list(owner, name, {"page_size": 5})
        versions.list(owner, name, {"page_size": 5, "cursor": page.next_cursor or ""})
        versions.get(reference)
        versions.delete(reference)

    async def drive_async() -> None:
        async with API(url, token) as api:
            versions = Versions(api)
            reference = (await versions.async_create(owner, name, params))["reference"]
            page = await versions.async_list(owner, name, {"page_size": 5})
            await versions.async_list(owner, name, {"page_size": 5, "cursor": page.next_cursor or ""})
            await versions.async_get(reference)
            await versions.async_delete(reference)

    asyncio.run(drive_async())


@pytest.mark.parametrize("client", GENERATIONS)
def test_the_same_calls_send_the_same_requests(sandbox: Sandbox, repository: Path, digest: str, client: str) -> None:
    def drive_official(url: str, token: str, owner: str, name: str, digest: str) -> None:
        python = repository / f".venv-wriftai-{client}" / "bin" / "python"
        script = repository / "tests" / "sandbox" / "official_client.py"
        subprocess.run([python, script, url, token, owner, name, digest], check=True, capture_output=True)

    def record(drive: Callable[[str, str, str, str, str], None]) -> list[RecordedRequest]:
        owner, name = sandbox.new_model(versions=7).split("/")
        recorder = Recorder(create_app(sandbox.store, delete_with_body=True))
        with running(recorder) as url:
            drive(f"{url}/generation-{GENERATIONS[client]}/v1", sandbox.token, owner, name, digest)
        return [_without_names(request, name) for request in recorder.requests]

    ours = record(_drive_ours)
    theirs = record(drive_official)
    # The order does not matter.
    assert sorted(ours, key=repr) == sorted(theirs, key=repr)
    assert len(ours) == 10


def _without_names(request: RecordedRequest, name: str) -> RecordedRequest:
    """Replace what differs between two runs: the model's name and the ids of versions."""
    method, path, query, body = request
    path = path.replace(name.encode(), b"MODEL")
    if b"/versions/" in path and b"/models/" not in path:
        path = path.rpartition(b"/")[0] + b"/ID"
    return method, path, query, body
