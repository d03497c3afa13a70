"""Inject faults into requests on their way to the sandbox and back."""

from __future__ import annotations

import asyncio
import contextlib
import http
from typing import Protocol

from starlette.concurrency import run_in_threadpool
from starlette.endpoints import HTTPEndpoint
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from airflow_provider_wriftai.sandbox.bodies import read_body, read_json
from airflow_provider_wriftai.sandbox.connections import reset
from airflow_provider_wriftai.sandbox.faults import Fault, FaultEvent, Faults, Stage
from airflow_provider_wriftai.sandbox.store import Store
from airflow_provider_wriftai.sandbox.validation import RefusedError, validated

_NO_STATUS = 0


class FaultMiddleware:
    """An application whose requests fail as the faults say.

    Args:
        app: The application.
        faults: The faults to inject.
        store: Where to record requests that never reach the application.
    """

    def __init__(self, app: ASGIApp, faults: Faults, store: Store) -> None:
        self._app = app
        self._faults = faults
        self._store = store

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        taken = self._faults.take(scope["method"], scope["path"]) if scope["type"] == "http" else None
        if taken is None:
            await self._app(scope, receive, send)
            return
        task = asyncio.current_task()
        if task is not None:
            self._faults.in_progress.add(task)
            task.add_done_callback(self._faults.in_progress.discard)
        fault, release = taken
        try:
            body = await read_body(Request(scope, receive))
        except HTTPException as error:
            await JSONResponse({"detail": error.detail}, error.status_code)(scope, receive, send)
            return
        self._record("received", scope)
        response: Response | None = None
        if fault.execute == "first":
            response = await self._execute(scope, body)
        if fault.response == "drop":
            await reset(scope)
        await _pause(fault, release, receive)
        if fault.execute == "last":
            response = await self._execute(scope, body)
        if response is None:
            status = _NO_STATUS if fault.response == "drop" else _status(fault)
            await run_in_threadpool(self._store.record_request, None, scope["method"], scope["path"], status)
        if fault.response != "drop":
            await _respond(fault, response, scope, receive, send)
        self._record("responded", scope)

    async def _execute(self, scope: Scope, body: bytes) -> Response:
        """Execute the request and return its response without sending it."""
        sent: list[Message] = []

        async def replay() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        async def keep(message: Message) -> None:
            sent.append(message)

        await self._app(scope, replay, keep)
        self._record("executed", scope)
        response = Response(b"".join(message.get("body", b"") for message in sent[1:]), sent[0]["status"])
        response.raw_headers = [tuple(header) for header in sent[0]["headers"]]
        return response

    def _record(self, stage: Stage, scope: Scope) -> None:
        port = scope["client"][1] if scope["client"] else 0
        self._faults.events.put(FaultEvent(stage, scope["method"], scope["path"], port))


class _Releasable(Protocol):
    async def wait(self) -> None: ...


async def _pause(fault: Fault, release: _Releasable, receive: Receive) -> None:
    if not fault.delay:
        return
    ends: set[asyncio.Future[object]] = {asyncio.ensure_future(release.wait())}
    if fault.ends_at_hangup and fault.response != "drop":
        # The body has been read, so the next message says that the caller hung up.
        ends.add(asyncio.ensure_future(receive()))
    await asyncio.wait(ends, timeout=fault.delay, return_when=asyncio.FIRST_COMPLETED)
    for end in ends:
        end.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await end


def _status(fault: Fault) -> int:
    return fault.status or (502 if fault.response == "html" else 503)


async def _respond(fault: Fault, response: Response | None, scope: Scope, receive: Receive, send: Send) -> None:
    if fault.response == "html":
        known = {status.value: status.phrase for status in http.HTTPStatus}
        phrase = f"{_status(fault)} {known.get(_status(fault), 'Unknown')}"
        page = f"<html><head><title>{phrase}</title></head><body><h1>{phrase}</h1></body></html>"
        response = HTMLResponse(page, _status(fault))
    elif response is None:
        response = JSONResponse({"detail": "An injected fault"}, _status(fault))
    elif fault.status is not None:
        response.status_code = fault.status
        if fault.status in (204, 304):
            response.body = b""
            response.headers["content-length"] = "0"
    if fault.response == "garbled":
        response.body = response.body[: len(response.body) // 2]
        response.headers["content-length"] = str(len(response.body))
    for name, value in fault.headers.items():
        if value is None:
            del response.headers[name]
        else:
            response.headers[name] = value
    if fault.response == "cut":
        half = response.body[: len(response.body) // 2]
        await send({"type": "http.response.start", "status": response.status_code, "headers": response.raw_headers})
        await send({"type": "http.response.body", "body": half, "more_body": True})
        await reset(scope)
        return
    await response(scope, receive, send)


class FaultsEndpoint(HTTPEndpoint):
    """``/faults``: list the pending faults (GET), add faults (POST), or remove them all (DELETE)."""

    async def get(self, request: Request) -> Response:
        """List the pending faults."""
        return JSONResponse([fault.model_dump(exclude_defaults=True) for fault in _faults(request).pending()])

    async def post(self, request: Request) -> Response:
        """Add one fault, or a list of them."""
        content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if content_type != "application/json":
            # Browsers send other types to any site without asking it first.
            raise HTTPException(415, "Send faults as JSON, with the header content-type: application/json")
        try:
            given = await read_json(request)
            faults = given if isinstance(given, list) else [given]
            _faults(request).add([validated(Fault, each, "body") for each in faults])
        except RefusedError as error:
            return JSONResponse({"detail": error.detail}, 422)
        return await self.get(request)

    async def delete(self, request: Request) -> Response:
        """Remove all pending faults and end every delay."""
        _faults(request).clear()
        return Response(status_code=204)


async def release(request: Request) -> Response:
    """``POST /faults/release``: end every delay in progress, and respond once the delayed requests are done."""
    waiting = set(_faults(request).in_progress)
    _faults(request).release()
    if waiting:
        await asyncio.wait(waiting)
    return Response(status_code=204)


def _faults(request: Request) -> Faults:
    faults: Faults = request.app.state.faults
    return faults
