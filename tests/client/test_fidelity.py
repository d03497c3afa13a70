"""For the same call, ours and the official client send the same request: recorded over a real socket, and compared."""

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

Sent = tuple[str, bytes, bytes, Any]


class Recorder:
    """Notes down each request on its way to an application: method, path and query as sent, and the body."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.sent: list[Sent] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = b""

        async def receive_and_keep() -> Any:
            nonlocal body
            message = await receive()
            body += message.get("body", b"")
            return message

        await self._app(scope, receive_and_keep, send)
        if not body:
            # Not every endpoint reads what it was sent.
            body = (await receive()).get("body", b"")
        parsed = json.loads(body) if body else None
        self.sent.append((scope["method"], scope["raw_path"], scope["query_string"], parsed))


def _ours(url: str, token: str, owner: str, name: str, digest: str) -> None:
    """Do with our client what ``official_client.py`` does with the official one."""
    params: CreateVersionParams = {
        "release_notes": "by the official client",
        "schemas": {"prediction": {"input": {"type": "object"}, "output": {"type": "string"}}},
        "container_image_digest": digest,
    }
    with API(url, token) as api:
        versions = Versions(api)
        made = versions.create(owner, name, params)["reference"]
        page = versions.list(owner, name, {"page_size": 5})
        versions.list(owner, name, {"page_size": 5, "cursor": page.next_cursor or ""})
        versions.get(made)
        versions.delete(made)

    async def by_async() -> None:
        async with API(url, token) as api:
            versions = Versions(api)
            made = (await versions.async_create(owner, name, params))["reference"]
            page = await versions.async_list(owner, name, {"page_size": 5})
            await versions.async_list(owner, name, {"page_size": 5, "cursor": page.next_cursor or ""})
            await versions.async_get(made)
            await versions.async_delete(made)

    asyncio.run(by_async())


@pytest.mark.parametrize("client", GENERATIONS)
def test_the_same_calls_send_the_same_requests(sandbox: Sandbox, repository: Path, digest: str, client: str) -> None:
    def official(url: str, token: str, owner: str, name: str, digest: str) -> None:
        python = repository / f".venv-wriftai-{client}" / "bin" / "python"
        script = repository / "tests" / "sandbox" / "official_client.py"
        subprocess.run([python, script, url, token, owner, name, digest], check=True, capture_output=True)

    def recorded(drive: Callable[[str, str, str, str, str], None]) -> list[Sent]:
        owner, name = sandbox.new_model(versions=7).split("/")
        recorder = Recorder(create_app(sandbox.store, delete_with_body=True))
        with running(recorder) as url:
            drive(f"{url}/generation-{GENERATIONS[client]}/v1", sandbox.token, owner, name, digest)
        return [_without_names(sent, name) for sent in recorder.sent]

    ours = recorded(_ours)
    theirs = recorded(official)
    # The official client's script gets before it lists the second page; the order is not the point.
    assert sorted(ours, key=repr) == sorted(theirs, key=repr)
    assert len(ours) == 10


def _without_names(sent: Sent, name: str) -> Sent:
    """Leave out what cannot be the same in two runs: the model's name, and the ids that the service gave."""
    method, path, query, body = sent
    path = path.replace(name.encode(), b"MODEL")
    if b"/versions/" in path and b"/models/" not in path:
        path = path.rpartition(b"/")[0] + b"/ID"
    return method, path, query, body
