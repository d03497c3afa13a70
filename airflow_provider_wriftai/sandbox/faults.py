"""What is to go wrong with the sandbox's next requests, and the telling of it."""

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


HeaderName = Annotated[str, StringConstraints(pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")]
HeaderValue = Annotated[str, StringConstraints(pattern=r"^[ -~]*$")]


class Fault(BaseModel):
    """What goes wrong with a request.

    Attributes:
        method: The HTTP method it is for; None for any.
        path: A regular expression that is searched for in the path it is for.
        times: With how many such requests it goes wrong.
        work: Whether the request is carried out ``first`` (before the delay), ``last`` (after it) or ``never``.
        delay: Seconds before the answer. It ends early when the faults are released.
        ends_at_hangup: Whether the delay ends also when the caller is gone.
        answer: What is sent: the answer ``as_usual``; an ``html`` page as a proxy sends it; the answer
            ``garbled`` (half of it, as if it were all) or ``cut`` (half of it, then the connection breaks);
            ``drop``: the connection breaks at once, before the delay.
        status: The answer's status instead of its own. Other than with ``as_usual`` answers to requests that were
            carried out, it comes with an error body.
        headers: Headers to set, or with null to leave out.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: Annotated[str, StringConstraints(pattern=r"^[A-Z]+$")] | None = None
    path: Annotated[str, AfterValidator(_pattern)] = ""
    times: Annotated[int, Field(ge=1)] = 1
    work: Literal["first", "last", "never"] = "first"
    delay: Annotated[float, Field(ge=0, le=3600)] = 0.0
    ends_at_hangup: bool = True
    answer: Literal["as_usual", "html", "garbled", "cut", "drop"] = "as_usual"
    status: Annotated[int, Field(ge=200, le=599)] | None = None
    headers: dict[HeaderName, HeaderValue | None] = {}

    @model_validator(mode="after")
    def _can_be_answered(self) -> Fault:
        if self.work == "never" and self.answer in ("garbled", "cut"):
            raise ValueError("a request that is never carried out has no answer to be garbled or cut")
        if self.status in (204, 304) and (self.work == "never" or self.answer != "as_usual"):
            raise ValueError(f"an answer with status {self.status} has no body")
        return self

    def is_for(self, method: str, path: str) -> bool:
        """Tell whether it is for such a request."""
        return self.method in (None, method) and re.search(self.path, path) is not None


@dataclass(frozen=True, slots=True)
class Reached:
    """How far a request with a fault has come.

    Attributes:
        stage: What was done last: the request was ``received``, carried out (``worked``), or ``answered``.
        method: Its HTTP method.
        path: Its path.
        port: The caller's port.
    """

    stage: Literal["received", "worked", "answered"]
    method: str
    path: str
    port: int


class Faults:
    """The faults that are still to come, the first that fits a request first.

    Safe to use from many threads.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pending: list[Fault] = []
        self._release = _Release()
        self.under_way: set[asyncio.Task[None]] = set()
        """The requests with a fault that the server is at work on."""
        self.reached: queue.Queue[Reached] = queue.Queue()
        """Each stage that a request with a fault reaches, for whoever waits for one."""

    def add(self, faults: Sequence[Fault]) -> None:
        """Let these go wrong too, after the ones that are still to come."""
        with self._lock:
            self._pending.extend(faults)

    def pending(self) -> list[Fault]:
        """The faults that are still to come."""
        with self._lock:
            return list(self._pending)

    def clear(self) -> None:
        """Let nothing more go wrong, and end every delay."""
        with self._lock:
            self._pending.clear()
        self.release()

    def release(self) -> None:
        """End every delay that is under way."""
        with self._lock:
            ended, self._release = self._release, _Release()
        ended.now()

    def take(self, method: str, path: str) -> tuple[Fault, _Release] | None:
        """Take the fault for a request, and what will release it; None where nothing is to go wrong."""
        with self._lock:
            for position, fault in enumerate(self._pending):
                if fault.is_for(method, path):
                    if fault.times > 1:
                        self._pending[position] = fault.model_copy(update={"times": fault.times - 1})
                    else:
                        del self._pending[position]
                    return fault, self._release
        return None


class _Release:
    """Ends delays in the server's event loop, from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ended = False
        self._waiting: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    def now(self) -> None:
        with self._lock:
            self._ended = True
            for loop, event in self._waiting:
                # A server that has ended waits for nothing any more.
                with contextlib.suppress(RuntimeError):
                    loop.call_soon_threadsafe(event.set)

    async def wait(self) -> None:
        event = asyncio.Event()
        with self._lock:
            if self._ended:
                return
            self._waiting.append((asyncio.get_running_loop(), event))
        await event.wait()
