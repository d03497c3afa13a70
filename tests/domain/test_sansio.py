from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from airflow_provider_wriftai.client.api import API
from airflow_provider_wriftai.client.endpoints import get_version
from airflow_provider_wriftai.client.errors import NotFoundError, WriftAIError
from airflow_provider_wriftai.client.references import ModelReference, VersionNumber
from airflow_provider_wriftai.client.version import VersionRecord
from airflow_provider_wriftai.domain.sansio import MOST_CONCURRENT, Batch, Operations, Pause, arun, run

Execute = Callable[[Operations[Any]], Any]
MODEL = ModelReference("acme", "det")


def _respond(request: httpx.Request) -> httpx.Response:
    number = int(request.url.path.rpartition("/")[2])
    return httpx.Response(200, json={"number": number}) if number < 100 else httpx.Response(404)


def _api() -> API:
    transport = httpx.MockTransport(_respond)
    return API("https://sansio.example/v1", transport=transport, async_transport=transport)


@pytest.fixture(params=["sync", "async"])
def execute(request: pytest.FixtureRequest) -> Execute:
    def execute_async(operations: Operations[Any]) -> Any:
        async def main() -> Any:
            async with _api() as api:
                return await arun(api, operations)

        return asyncio.run(main())

    return (lambda operations: run(_api(), operations)) if request.param == "sync" else execute_async


def _get(number: int) -> Operations[VersionRecord]:
    version: VersionRecord = yield get_version(VersionNumber(MODEL, number))
    return version


def test_steps_compose_and_return_their_results(execute: Execute) -> None:
    def both() -> Operations[list[int | None]]:
        first = yield from _get(1)
        second = yield from _get(2)
        return [first.number, second.number]

    assert execute(both()) == [1, 2]


def test_an_error_is_raised_where_the_operation_was_yielded(execute: Execute) -> None:
    def tolerant() -> Operations[str]:
        try:
            yield from _get(100)
        except NotFoundError as error:
            return f"{error.status}"
        raise AssertionError

    assert execute(tolerant()) == "404"
    with pytest.raises(NotFoundError):
        execute(_get(100))


def test_a_batch_returns_results_and_errors_in_order(execute: Execute) -> None:
    numbers = [1, 100, *range(2, 2 + 2 * MOST_CONCURRENT), 101]

    def batch() -> Operations[list[VersionRecord | WriftAIError]]:
        results: list[VersionRecord | WriftAIError] = yield Batch(
            [get_version(VersionNumber(MODEL, number)) for number in numbers]
        )
        return results

    results = execute(batch())
    assert [each.number if isinstance(each, VersionRecord) else type(each) for each in results] == [
        number if number < 100 else NotFoundError for number in numbers
    ]


def test_a_pause_is_slept_by_the_driver() -> None:
    slept: list[float] = []

    def pausing(seconds: float) -> Operations[str]:
        yield Pause(seconds)
        return "done"

    assert run(_api(), pausing(3.0), slept.append) == "done"
    assert slept == [3.0]
    assert asyncio.run(arun(_api(), pausing(0.0))) == "done"


def test_cleanup_of_a_step_runs_when_the_driver_fails(execute: Execute) -> None:
    cleaned: list[bool] = []

    def careful() -> Operations[None]:
        try:
            yield from _get(100)
        finally:
            cleaned.append(True)

    with pytest.raises(NotFoundError):
        execute(careful())
    assert cleaned == [True]
