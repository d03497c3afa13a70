"""Lets requests go wrong on their way to the sandbox and back."""

from __future__ import annotations

import asyncio
import contextlib
import http
from typing import Any, Literal

from starlette.concurrency import run_in_threadpool
from starlette.endpoints import HTTPEndpoint
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from airflow_provider_wriftai.sandbox.connections import reset
from airflow_provider_wriftai.sandbox.faults import Fault, Faults, Reached
from airflow_provider_wriftai.sandbox.store import Store
from airflow_provider_wriftai.sandbox.validation import RefusedError, validated

_NEVER_ANSWERED = 0


class FaultMiddleware:
    """An application with which requests go wrong as the faults say.

    Args:
        app: The application.
        faults: What is to go wrong.
        store: Where requests that never reach the application are noted down.
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
            self._faults.under_way.add(task)
            task.add_done_callback(self._faults.under_way.discard)
        fault, release = taken
        body = await Request(scope, receive).body()
        self._tell("received", scope)
        answer: Response | None = None
        if fault.work == "first":
            answer = await self._work(scope, body)
        if fault.answer == "drop":
            await reset(scope)
        await _pause(fault, release, receive)
        if fault.work == "last":
            answer = await self._work(scope, body)
        if answer is None:
            status = _NEVER_ANSWERED if fault.answer == "drop" else _status(fault)
            await run_in_threadpool(self._store.record_request, None, scope["method"], scope["path"], status)
        if fault.answer != "drop":
            await _answer(fault, answer, scope, receive, send)
        self._tell("answered", scope)

    async def _work(self, scope: Scope, body: bytes) -> Response:
        """Carry the request out, and keep its answer."""
        sent: list[Message] = []

        async def replay() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        async def keep(message: Message) -> None:
            sent.append(message)

        await self._app(scope, replay, keep)
        self._tell("worked", scope)
        answer = Response(b"".join(message.get("body", b"") for message in sent[1:]), sent[0]["status"])
        answer.raw_headers = [tuple(header) for header in sent[0]["headers"]]
        return answer

    def _tell(self, stage: Literal["received", "worked", "answered"], scope: Scope) -> None:
        port = scope["client"][1] if scope["client"] else 0
        self._faults.reached.put(Reached(stage, scope["method"], scope["path"], port))


async def _pause(fault: Fault, release: Any, receive: Receive) -> None:
    if not fault.delay:
        return
    ends = {asyncio.ensure_future(release.wait())}
    if fault.ends_at_hangup and fault.answer != "drop":
        # The body has been read: what comes next is that the caller hung up.
        ends.add(asyncio.ensure_future(receive()))
    await asyncio.wait(ends, timeout=fault.delay, return_when=asyncio.FIRST_COMPLETED)
    for end in ends:
        end.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await end


def _status(fault: Fault) -> int:
    return fault.status or (502 if fault.answer == "html" else 503)


async def _answer(fault: Fault, answer: Response | None, scope: Scope, receive: Receive, send: Send) -> None:
    if fault.answer == "html":
        known = {status.value: status.phrase for status in http.HTTPStatus}
        phrase = f"{_status(fault)} {known.get(_status(fault), 'Unknown')}"
        page = f"<html><head><title>{phrase}</title></head><body><h1>{phrase}</h1></body></html>"
        answer = HTMLResponse(page, _status(fault))
    elif answer is None:
        answer = JSONResponse({"detail": "A fault that was asked for"}, _status(fault))
    elif fault.status is not None:
        answer.status_code = fault.status
        if fault.status in (204, 304):
            answer.body = b""
            answer.headers["content-length"] = "0"
    if fault.answer == "garbled":
        answer.body = answer.body[: len(answer.body) // 2]
        answer.headers["content-length"] = str(len(answer.body))
    for name, value in fault.headers.items():
        if value is None:
            del answer.headers[name]
        else:
            answer.headers[name] = value
    if fault.answer == "cut":
        half = answer.body[: len(answer.body) // 2]
        await send({"type": "http.response.start", "status": answer.status_code, "headers": answer.raw_headers})
        await send({"type": "http.response.body", "body": half, "more_body": True})
        await reset(scope)
        return
    await answer(scope, receive, send)


class FaultsEndpoint(HTTPEndpoint):
    """``/faults``: what is still to go wrong (GET), more of it (POST), and an end of it (DELETE)."""

    async def get(self, request: Request) -> Response:
        """List what is still to come."""
        return JSONResponse([fault.model_dump(exclude_defaults=True) for fault in _faults(request).pending()])

    async def post(self, request: Request) -> Response:
        """Add one fault, or a list of them."""
        try:
            asked = await request.json()
            listed = asked if isinstance(asked, list) else [asked]
            _faults(request).add([validated(Fault, each, "body") for each in listed])
        except RefusedError as error:
            return JSONResponse({"detail": error.detail}, 422)
        except (ValueError, RecursionError) as error:
            return JSONResponse({"detail": f"not JSON: {error}"}, 422)
        return await self.get(request)

    async def delete(self, request: Request) -> Response:
        """Let nothing more go wrong, and end every delay."""
        _faults(request).clear()
        return Response(status_code=204)


async def release(request: Request) -> Response:
    """``POST /faults/release``: end every delay that is under way, and answer when what waited for it is done."""
    waiting = set(_faults(request).under_way)
    _faults(request).release()
    if waiting:
        await asyncio.wait(waiting)
    return Response(status_code=204)


def _faults(request: Request) -> Faults:
    faults: Faults = request.app.state.faults
    return faults
