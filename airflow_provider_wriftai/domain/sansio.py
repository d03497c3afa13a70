"""Steps that need I/O, written once and executed synchronously or asynchronously.

A step is a generator. It yields what it needs (an :class:`~airflow_provider_wriftai.client.endpoints.Operation`, a
:class:`Batch` of them, or a :class:`Pause`), receives the result, or the client's error at the same place, and returns
what it found out::

    def newest(model):
        page = yield list_versions(model, None)
        return page.items[0]

    run(api, newest(model))  # or: await arun(api, newest(model))

Steps compose with ``yield from``. Tests drive them by hand, without a network and in virtual time.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar, cast

from airflow_provider_wriftai.client.api import API
from airflow_provider_wriftai.client.endpoints import Operation
from airflow_provider_wriftai.client.errors import WriftAIError

T = TypeVar("T")

MOST_CONCURRENT = 16
"""Requests of one task that are under way at once; the token's budget may make it fewer."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Independent operations. Its result is a list with the result or the ``WriftAIError`` of each, in their order."""

    operations: Sequence[Operation[Any]]


@dataclass(frozen=True, slots=True)
class Pause:
    """A number of seconds to wait."""

    seconds: float


Step: TypeAlias = Operation[Any] | Batch | Pause
Operations: TypeAlias = Generator[Step, Any, T]
"""A step that needs I/O and returns a ``T``."""


def _resume(operations: Operations[Any], result: Any) -> Step:
    """Give a step the result of what it yielded, or raise the client's error at that place."""
    return operations.throw(result) if isinstance(result, WriftAIError) else operations.send(result)


def run(api: API, operations: Operations[T], sleep: Callable[[float], None] = time.sleep) -> T:
    """Execute a step with synchronous requests; those of a batch one after another.

    Raises:
        WriftAIError: What the step raises.
    """

    def attempt(operation: Operation[Any]) -> Any:
        try:
            return api.request(operation)
        except WriftAIError as error:
            return error

    result: Any = None
    while True:
        try:
            step = _resume(operations, result)
        except StopIteration as stop:
            return cast("T", stop.value)
        match step:
            case Pause(seconds=seconds):
                sleep(seconds)
                result = None
            case Batch(operations=batch):
                result = [attempt(each) for each in batch]
            case Operation():
                result = attempt(step)


async def arun(api: API, operations: Operations[T]) -> T:
    """Execute a step with asynchronous requests; those of a batch concurrently.

    Raises:
        WriftAIError: What the step raises.
    """
    limit = asyncio.Semaphore(MOST_CONCURRENT)

    async def attempt(operation: Operation[Any]) -> Any:
        async with limit:
            try:
                return await api.async_request(operation)
            except WriftAIError as error:
                return error

    result: Any = None
    while True:
        try:
            step = _resume(operations, result)
        except StopIteration as stop:
            return cast("T", stop.value)
        match step:
            case Pause(seconds=seconds):
                await asyncio.sleep(seconds)
                result = None
            case Batch(operations=batch):
                async with asyncio.TaskGroup() as group:
                    tasks = [group.create_task(attempt(each)) for each in batch]
                result = [task.result() for task in tasks]
            case Operation():
                result = await attempt(step)
