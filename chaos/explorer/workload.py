"""Run a task that publishes, with its tries, under the faults of a nemesis."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_wriftai.client.endpoints import Operation
from airflow_provider_wriftai.client.errors import (
    AuthenticationError,
    ConnectionFailedError,
    RateLimitedError,
    RequestInfo,
    ServerError,
    WriftAIError,
)
from airflow_provider_wriftai.client.versions import CreateVersionParams
from airflow_provider_wriftai.domain.publishing.outcome import PublishResult
from airflow_provider_wriftai.domain.publishing.publish import IfExists, OnDuplicate, PublishOptions, publish
from airflow_provider_wriftai.domain.sansio import Batch, Operations, Pause, Step

from .nemesis import Nemesis
from .service import DIGEST, MODEL, NOTES, OTHER_DIGEST, Service

MOST_TRIES = 4
LATE_SECONDS = 100.0
"""The delay of a create request that is executed late: after all searches but the last ones."""

_REQUEST_SECONDS = 0.1
_FROZEN_SECONDS = 600.0
_SLOW_SECONDS = 60.0

_OTHER_PUBLISHES = ("another task publishes the image", "another task publishes the image with the same notes")
_LIST = ("die", "stale", "503", "401", "freeze", *_OTHER_PUBLISHES, "another image is published")
_DETAILS = ("die", "404", "503", "401")
_CREATE = ("lost, done", "lost, never done", "lost, done late", "401", "429", "die, never sent", "die, done",
           "die, done late")  # fmt: skip
_DELETE = ("die, never sent", "die, done", "503")
_SAVE = ("die before", "die after", "fail", "slow", "slow, and another task publishes the image")


class ProcessKilled(BaseException):
    """The process of the task was killed."""


class ReplacedError(Exception):
    """A try that was replaced by another one cannot store anything."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """The conditions under which a task publishes."""

    if_exists: IfExists
    has_store: bool
    generation: int
    digests: str
    on_duplicate: OnDuplicate = "keep"

    def __str__(self) -> str:
        store = "store" if self.has_store else "no store"
        return f"{self.if_exists}, {store}, generation {self.generation}, digests in {self.digests}"


@dataclass
class Store:
    """The state store of a task.

    Attributes:
        current: The number of the try that may save.
    """

    nemesis: Nemesis
    service: Service
    current: int = 1
    text: str | None = None

    def for_try(self, number: int) -> _TryStore:
        """Return the store for one try."""
        return _TryStore(self, number)


@dataclass
class _TryStore:
    store: Store
    number: int

    def load(self) -> Any:
        return None if self.store.text is None else json.loads(self.store.text)

    def save(self, value: dict[str, Any]) -> None:
        store, service = self.store, self.store.service
        service.advance(_REQUEST_SECONDS)
        fault = store.nemesis.choose(_SAVE)
        if fault == "die before":
            raise ProcessKilled
        if fault.startswith("slow"):
            service.advance(1.0)
            if "another" in fault:
                service.create("another", notes="of another")
            service.advance(_SLOW_SECONDS)
        if fault == "fail":
            raise ConnectionError("cannot reach the store")
        if self.number != store.current:
            raise ReplacedError
        store.text = json.dumps(value)
        if fault == "die after":
            raise ProcessKilled


@dataclass
class Task:
    """A task with its tries.

    Attributes:
        result: The result, if the task succeeded.
        error: The error of the last try.
        tries: How many tries the task has had.
        is_disturbed: Whether a try was killed, or frozen and replaced.
        create_times: When the task sent create requests.
    """

    configuration: Configuration
    service: Service
    nemesis: Nemesis
    name: str = "task"
    result: PublishResult | None = None
    error: Exception | None = None
    tries: int = 0
    is_disturbed: bool = False
    create_times: list[float] = field(default_factory=list)
    store: Store = field(init=False)

    def __post_init__(self) -> None:
        self.store = Store(self.nemesis, self.service)

    def run(self) -> None:
        """Run tries until one succeeds, one fails without retry, or none are left."""
        while self.tries < MOST_TRIES:
            self.result = self.error = None
            number = self._begin()
            try:
                result = self._drive(self.begin(number), number)
            except ProcessKilled:
                self.is_disturbed = True
            except WriftAIError as error:
                self.error = error
            except (ReplacedError, ConnectionError) as error:
                self.error = error
            else:
                if number == self.store.current:
                    self.result = result
            if number != self.store.current:
                self.result, self.error = self._replaced_by
            if self.result is not None or (isinstance(self.error, WriftAIError) and not self.error.retryable):
                return
            self.service.advance(1.0)

    _replaced_by: tuple[PublishResult | None, Exception | None] = (None, None)

    def _begin(self) -> int:
        self.tries += 1
        self.store.current = self.tries
        return self.tries

    def begin(self, number: int) -> Operations[PublishResult]:
        """Begin a try."""
        params: CreateVersionParams = {
            "release_notes": NOTES,
            "schemas": {"prediction": {"input": {}, "output": {}}},
            "container_image_digest": DIGEST,
        }
        options = PublishOptions(
            if_exists=self.configuration.if_exists,
            is_retry=number > 1,
            on_duplicate=self.configuration.on_duplicate,
        )
        state = self.store.for_try(number) if self.configuration.has_store else None
        return publish(
            MODEL, params, options, service="https://explored.example/v1", state=state, clock=self.service.clock
        )

    def _drive(self, operations: Operations[PublishResult], number: int) -> PublishResult:
        resume: Callable[[Any], Step] = operations.send
        value: Any = None
        while True:
            try:
                step = resume(value)
            except StopIteration as stop:
                result: PublishResult = stop.value
                return result
            resume = operations.send
            match step:
                case Pause(seconds=seconds):
                    self.service.advance(seconds)
                    value = None
                case Batch(operations=batch):
                    value = [self.attempt(each, number) for each in batch]
                case _:
                    value = self.attempt(step, number)
                    if isinstance(value, WriftAIError):
                        resume = operations.throw

    def attempt(self, operation: Operation[Any], number: int = 1) -> Any:
        """Send a request, perhaps with a fault; return the result or the error."""
        self.service.advance(_REQUEST_SECONDS)
        fault = self.nemesis.choose(_faults_of(operation))
        if operation.method == "POST":
            return self._create(operation, fault)
        if fault in _OTHER_PUBLISHES:
            self.service.create("another", notes=NOTES if fault == _OTHER_PUBLISHES[1] else "of another")
        elif fault == "another image is published":
            self.service.create("another", OTHER_DIGEST, "of another image")
        response: Any
        try:
            if fault in ("die", "die, never sent"):
                raise ProcessKilled
            if fault in ("401", "503", "404"):
                raise self._error(operation, fault)
            response = self.service.execute(operation, self.name, stale=fault == "stale")
            if fault == "die, done":
                raise ProcessKilled
        except WriftAIError as error:
            return error
        if fault == "freeze":
            self._replace(number)
        return response

    def _replace(self, number: int) -> None:
        """Freeze the try until Airflow considers it dead and runs another one; afterwards, this one continues."""
        self.is_disturbed = True
        self.service.advance(_FROZEN_SECONDS)
        if number == self.store.current and self.tries < MOST_TRIES:
            self.run()
            self._replaced_by = self.result, self.error

    def _create(self, operation: Operation[Any], fault: str) -> Any:
        if fault in ("401", "429"):
            return self._error(operation, fault)
        self.create_times.append(self.service.now)
        if fault.endswith("done late"):
            self.service.late_creates.append((self.service.now + LATE_SECONDS, self.name))
        created = None
        if fault in ("", "lost, done", "die, done"):
            created = self.service.execute(operation, self.name)
        if fault.startswith("die"):
            raise ProcessKilled
        return created if fault == "" else self._error(operation, "lost")

    def _error(self, operation: Operation[Any], fault: str) -> WriftAIError:
        request = RequestInfo(operation.method, operation.path)
        match fault:
            case "401":
                return AuthenticationError(request, 401, "Revoked.")
            case "404":
                return self.service.not_found(operation)
            case "429":
                return RateLimitedError(request, 429, "Too many.")
            case "503":
                return ServerError(request, 503, "Down.")
            case _:
                return ConnectionFailedError(request, "failed: connection reset", ambiguous=True)


def _faults_of(operation: Operation[Any]) -> Sequence[str]:
    if operation.method == "POST":
        return _CREATE
    if operation.method == "DELETE":
        return _DELETE
    return _LIST if operation.path.endswith("/versions") else _DETAILS
