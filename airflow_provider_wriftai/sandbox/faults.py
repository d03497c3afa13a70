"""The faults to inject into the sandbox's next requests, and the events that report their progress."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from error
    return text


def _settable(name: str) -> str:
    # With one of these, a web page that the developer visits could read the answers.
    if name.lower().startswith("access-control-"):
        raise ValueError("a fault cannot set access-control-* headers")
    if name.lower() == "date":
        raise ValueError("a fault cannot set the date header, which the server adds afterwards")
    return name


HeaderName = Annotated[
    str,
    StringConstraints(pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$"),
    AfterValidator(_settable),
]
HeaderValue = Annotated[str, StringConstraints(pattern=r"^[ -~]*$")]


class Fault(BaseModel):
    """A fault to inject into requests.

    Attributes:
        method: The HTTP method of the requests; None for any.
        path: A regular expression to search for in the path of the requests.
        times: How many matching requests to inject the fault into.
        execute: When to execute the request: ``first`` (before the delay), ``last`` (after it), or ``never``.
        delay: Seconds to wait before the response. Releasing the faults ends the delay early.
        ends_at_hangup: Whether the delay also ends when the caller hangs up.
        response: What to send: the regular response (``as_usual``), an ``html`` page like that of a proxy, the first
            half of the body as if it were complete (``garbled``), the first half followed by a connection reset
            (``cut``), or a connection reset at once, before the delay (``drop``).
        status: The status to send instead of the regular one. Unless the request was executed and its response is
            sent ``as_usual``, the body describes an error.
        headers: Headers to set, or to remove if the value is null.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: Annotated[str, StringConstraints(pattern=r"^[A-Z]+$")] | None = None
    path: Annotated[str, AfterValidator(_pattern)] = ""
    times: Annotated[int, Field(ge=1)] = 1
    execute: Literal["first", "last", "never"] = "first"
    delay: Annotated[float, Field(ge=0, le=3600)] = 0.0
    ends_at_hangup: bool = True
    response: Literal["as_usual", "html", "garbled", "cut", "drop"] = "as_usual"
    status: Annotated[int, Field(ge=200, le=599)] | None = None
    headers: dict[HeaderName, HeaderValue | None] = {}

    @model_validator(mode="after")
    def _has_possible_response(self) -> Fault:
        if self.execute == "never" and self.response in ("garbled", "cut"):
            raise ValueError("a request that is never executed has no response to garble or cut")
        if self.status in (204, 304) and (self.execute == "never" or self.response != "as_usual"):
            raise ValueError(f"a response with status {self.status} has no body")
        return self

    def matches(self, method: str, path: str) -> bool:
        """Return whether the fault applies to such a request."""
        return self.method in (None, method) and re.search(self.path, path) is not None


Stage = Literal["received", "executed", "responded"]


@dataclass(frozen=True, slots=True)
class FaultEvent:
    """A stage that a request with a fault has reached.

    Attributes:
        stage: The stage: the request was ``received``, ``executed``, or ``responded`` to.
        method: The HTTP method of the request.
        path: The path of the request.
        port: The caller's port.
    """

    stage: Stage
    method: str
    path: str
    port: int


class Faults:
    """The pending faults. A request takes the first one that matches it.

    Safe to use from several threads.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pending: list[Fault] = []
        self._release = _Release()
        self.in_progress: set[asyncio.Task[None]] = set()
        """The requests with a fault that are in progress."""
        self.events: queue.Queue[FaultEvent] = queue.Queue()
        """The stages that requests with a fault have reached, in order."""

    def add(self, faults: Sequence[Fault]) -> None:
        """Append faults to the pending ones."""
        with self._lock:
            self._pending.extend(faults)

    def pending(self) -> list[Fault]:
        """Return the pending faults."""
        with self._lock:
            return list(self._pending)

    def clear(self) -> None:
        """Remove all pending faults and end every delay."""
        with self._lock:
            self._pending.clear()
        self.release()

    def release(self) -> None:
        """End every delay in progress."""
        with self._lock:
            ended, self._release = self._release, _Release()
        ended.now()

    def take(self, method: str, path: str) -> tuple[Fault, _Release] | None:
        """Take the fault for a request and what releases it; None if no fault matches."""
        with self._lock:
            for position, fault in enumerate(self._pending):
                if fault.matches(method, path):
                    if fault.times > 1:
                        self._pending[position] = fault.model_copy(update={"times": fault.times - 1})
                    else:
                        del self._pending[position]
                    return fault, self._release
        return None


class _Release:
    """Ends delays in the server's event loop from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ended = False
        self._waiting: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    def now(self) -> None:
        with self._lock:
            self._ended = True
            for loop, event in self._waiting:
                # The loop of a server that has stopped is closed; nothing waits in it.
                with contextlib.suppress(RuntimeError):
                    loop.call_soon_threadsafe(event.set)

    async def wait(self) -> None:
        event = asyncio.Event()
        with self._lock:
            if self._ended:
                return
            self._waiting.append((asyncio.get_running_loop(), event))
        await event.wait()
