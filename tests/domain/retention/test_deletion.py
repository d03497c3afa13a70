"""Deletes that fail, that are refused, or whose outcome is unclear."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import httpx
import pytest

from airflow_provider_wriftai.client.api import API
from airflow_provider_wriftai.client.references import ModelReference
from airflow_provider_wriftai.client.retrying import RetryPolicy
from airflow_provider_wriftai.domain.retention.errors import PruneIncompleteError
from airflow_provider_wriftai.domain.retention.policy import RetentionPolicy
from airflow_provider_wriftai.domain.retention.prune import prune
from airflow_provider_wriftai.domain.retention.report import PruneReport
from airflow_provider_wriftai.domain.sansio import MOST_CONCURRENT
from airflow_provider_wriftai.sandbox.faults import Fault, Faults
from tests.support.pruning import KEEP_ONE, OLD, Handler, Network, Prune, prune_against
from tests.support.sandbox import Sandbox


def test_the_oldest_versions_are_deleted_first_and_several_at_once(
    sandbox: Sandbox, prune_it: Prune, network: Network
) -> None:
    model = sandbox.new_model(versions=60)
    stored = {version.id: version.number for version in sandbox.store.versions(*model.split("/"))}
    under_way: list[int] = []
    most = 0

    def count(method: str, name: str) -> None:
        nonlocal most
        if method == "DELETE":
            under_way.append(stored[name] if name in stored else int(name))
            most = max(most, len(under_way) - (60 - len(sandbox.numbers(model))))

    network.before = count
    prune_it(model, RetentionPolicy(keep_last=10))
    assert under_way == list(range(1, 51))
    assert 1 < most <= MOST_CONCURRENT


def test_a_version_that_is_already_gone_is_not_a_failure(sandbox: Sandbox, prune_it: Prune, network: Network) -> None:
    model = sandbox.new_model(versions=4)
    gone = sandbox.version(model, 2)

    def somebody_else_deletes(method: str, name: str) -> None:
        if method == "DELETE":
            sandbox.store.delete_version(gone)

    network.before = somebody_else_deletes
    report = prune_it(model, KEEP_ONE)
    assert len(report["already_gone"]) == 1
    assert (len(report["deleted"]), sandbox.numbers(model)) == (2, [4])


def test_a_404_that_the_list_contradicts_is_a_failure(sandbox: Sandbox, prune_it: Prune, faults: Faults) -> None:
    model = sandbox.new_model(versions=3)
    faults.add([Fault(method="DELETE", execute="never", status=404, times=2)])
    with pytest.raises(PruneIncompleteError, match="answered 404 or 410, but still lists the version") as caught:
        prune_it(model, KEEP_ONE)
    assert caught.value.report["already_gone"] == []


def test_a_delete_without_a_response_that_the_list_contradicts_is_a_failure(
    sandbox: Sandbox, prune_it: Prune, faults: Faults
) -> None:
    model = sandbox.new_model(versions=2)
    # A proxy that cannot reach the service responds with 503, and then with a 404 of its own.
    faults.add([Fault(method="DELETE", execute="never", status=status) for status in (503, 404)])
    with pytest.raises(
        PruneIncompleteError, match="did not confirm the delete as its contract says, and still lists"
    ) as caught:
        prune_it(model, KEEP_ONE, attempts=3)
    assert caught.value.report["deleted"] == []


def test_the_report_is_complete_although_a_delete_cannot_be_verified(
    sandbox: Sandbox, prune_it: Prune, faults: Faults, network: Network
) -> None:
    model = sandbox.new_model(versions=4)
    faults.add([Fault(method="DELETE", execute="never", status=404)])

    def break_the_second_list(method: str, name: str) -> None:
        if network.deleted and method == "GET":
            faults.add([Fault(method="GET", execute="never", status=500, times=9)])

    network.before = break_the_second_list
    with pytest.raises(PruneIncompleteError, match="whether the version is gone is unknown") as caught:
        prune_it(model, KEEP_ONE)
    assert (len(caught.value.report["deleted"]), len(caught.value.report["failed"])) == (2, 1)


def test_a_web_page_does_not_confirm_a_delete() -> None:
    headers = {"date": format_datetime(datetime.now(UTC), usegmt=True)}

    def respond(request: httpx.Request) -> httpx.Response:
        if request.method == "DELETE":
            return httpx.Response(200, html="<html>Please sign in</html>")
        items = [{**OLD, "number": number} for number in (2, 1)]
        return httpx.Response(200, json={"items": items, "next_cursor": None}, headers=headers)

    with pytest.raises(PruneIncompleteError, match="a web page"):
        prune_against(respond, KEEP_ONE)


def test_a_web_page_in_place_of_the_response_to_a_delete_is_verified(
    sandbox: Sandbox, prune_it: Prune, faults: Faults
) -> None:
    model = sandbox.new_model(versions=4)
    faults.add([Fault(method="DELETE", response="html", status=200)])
    report = prune_it(model, KEEP_ONE, attempts=1)
    assert (len(report["deleted"]), report["failed"]) == (3, [])
    assert sandbox.numbers(model) == [4]


def test_a_delete_whose_response_is_lost_counts_as_deleted(sandbox: Sandbox, prune_it: Prune, faults: Faults) -> None:
    model = sandbox.new_model(versions=6)
    faults.add([Fault(method="DELETE", response="drop"), Fault(method="DELETE", response="html")])
    report = prune_it(model, KEEP_ONE, attempts=3)
    assert len(report["deleted"]) == 5
    assert sandbox.numbers(model) == [6]


@pytest.mark.parametrize("fault", [{"response": "drop"}, {"response": "html"}, {"status": 503}])
def test_deletes_whose_responses_are_all_lost_are_verified(
    sandbox: Sandbox, prune_it: Prune, faults: Faults, fault: dict[str, Any]
) -> None:
    model = sandbox.new_model(versions=6)
    faults.add([Fault(method="DELETE", times=100, **fault)])
    report = prune_it(model, RetentionPolicy(keep_last=3), attempts=2)
    assert (len(report["deleted"]), report["failed"]) == (3, [])
    assert sandbox.numbers(model) == [6, 5, 4]


def test_a_list_that_names_a_version_twice_verifies_no_delete() -> None:
    respond, listed = _service(lambda number: httpx.Response(202), [2, 1])

    def repeat(request: httpx.Request) -> httpx.Response:
        if request.method == "DELETE":
            listed[:] = [2, 2]
        return respond(request)

    with pytest.raises(PruneIncompleteError, match="is gone is unknown: the service listed acme/det:2 twice") as caught:
        prune_against(repeat, KEEP_ONE)
    assert caught.value.report["deleted"] == []


def test_a_token_that_is_revoked_halfway_ends_the_prune_at_once(
    sandbox: Sandbox, prune_it: Prune, network: Network, faults: Faults
) -> None:
    model = sandbox.new_model(versions=400)
    faults.add([Fault(method="DELETE", status=204, times=20), Fault(method="DELETE", execute="never", status=401)])
    with pytest.raises(PruneIncompleteError, match=r"planned deletes of .* failed") as caught:
        prune_it(model, KEEP_ONE)
    assert 20 <= len(caught.value.report["deleted"]) < 399
    assert len(caught.value.report["deleted"]) + len(caught.value.report["failed"]) == 399
    assert len(network.deleted) < 399


@pytest.mark.parametrize("status", [409, 403])
def test_one_failure_does_not_stop_the_rest_and_the_next_run_deletes_what_is_left(
    sandbox: Sandbox, prune_it: Prune, faults: Faults, status: int
) -> None:
    model = sandbox.new_model(versions=5)
    faults.add([Fault(method="DELETE", execute="never", status=each) for each in (status, 503)])
    with pytest.raises(
        PruneIncompleteError,
        match=r"2 of 4 planned deletes of .* failed, and 2 succeeded\. Another attempt may delete the rest",
    ) as caught:
        prune_it(model, KEEP_ONE)
    assert caught.value.retryable
    assert len(caught.value.report["failed"]) == 2
    assert len(sandbox.numbers(model)) == 3
    assert len(prune_it(model, KEEP_ONE)["deleted"]) == 2
    assert sandbox.numbers(model) == [5]


def test_a_delete_that_is_refused_for_good_is_not_retried(sandbox: Sandbox, prune_it: Prune, faults: Faults) -> None:
    model = sandbox.new_model(versions=5)
    faults.add([Fault(method="DELETE", execute="never", status=403, times=2)])
    with pytest.raises(PruneIncompleteError, match="Another attempt would fail, too") as caught:
        prune_it(model, KEEP_ONE)
    assert not caught.value.retryable
    assert len(sandbox.numbers(model)) == 3


def test_an_outage_ends_the_prune_after_a_few_deletes(
    sandbox: Sandbox, prune_it: Prune, network: Network, faults: Faults
) -> None:
    model = sandbox.new_model(versions=120)
    faults.add([Fault(method="DELETE", execute="never", status=503, times=1000)])
    with pytest.raises(PruneIncompleteError, match="119 of 119 planned deletes") as caught:
        prune_it(model, KEEP_ONE)
    assert 20 <= len(network.deleted) <= 20 + MOST_CONCURRENT
    assert "Not attempted" in caught.value.report["failed"][-1]["error"]
    assert len(sandbox.numbers(model)) == 120


def _service(respond_to_delete: Callable[[int], httpx.Response], numbers: list[int]) -> tuple[Handler, list[int]]:
    """Return a service with given responses to deletes, and the numbers that it lists, which only the test changes."""
    listed = list(numbers)
    headers = {"date": format_datetime(datetime.now(UTC), usegmt=True)}

    def respond(request: httpx.Request) -> httpx.Response:
        if request.method == "DELETE":
            return respond_to_delete(int(request.url.path.rpartition("/")[2]))
        items = [{**OLD, "number": number} for number in listed]
        return httpx.Response(200, json={"items": items, "next_cursor": None}, headers=headers)

    return respond, listed


@pytest.mark.parametrize(
    "response",
    [
        httpx.Response(202),
        httpx.Response(202, json={"status": "pending"}),
        httpx.Response(207, json=[{"status": 403, "detail": "not yours"}]),
        httpx.Response(200, json={"deleted": False}),
        httpx.Response(200, json={"detail": "in use"}),
    ],
)
def test_only_the_response_of_the_contract_counts_as_deleted(response: httpx.Response) -> None:
    respond, _ = _service(lambda number: httpx.Response(response.status_code, content=response.content), [2, 1])
    with pytest.raises(PruneIncompleteError, match="did not confirm the delete as its contract says") as caught:
        prune_against(respond, KEEP_ONE)
    assert caught.value.report["deleted"] == []
    assert [entry["reference"] for entry in caught.value.report["failed"]] == ["acme/det:1"]


def test_an_accepted_delete_that_is_executed_counts_as_deleted() -> None:
    def accept(number: int) -> httpx.Response:
        listed.remove(number)
        return httpx.Response(202)

    respond, listed = _service(accept, [3, 2, 1])
    assert prune_against(respond, KEEP_ONE)["deleted"] == ["acme/det:1", "acme/det:2"]


@pytest.mark.parametrize(("status", "key"), [(404, "already_gone"), (410, "already_gone"), (202, "deleted")])
def test_a_list_that_lags_behind_is_read_again(status: int, key: str) -> None:
    respond, listed = _service(lambda number: httpx.Response(status, json={}), [3, 2, 1])
    slept: list[float] = []

    async def prune_model() -> PruneReport:
        async def sleep(seconds: float) -> None:
            slept.append(seconds)
            if len(slept) == 2:
                listed[:] = [3]

        async with API(async_transport=httpx.MockTransport(respond), retry=RetryPolicy(attempts=1)) as api:
            return await prune(api, ModelReference("acme", "det"), KEEP_ONE, sleep=sleep)

    report = asyncio.run(prune_model())
    assert (report[key], report["failed"]) == (["acme/det:1", "acme/det:2"], [])  # type: ignore[literal-required]
    assert slept == [2.0, 4.0]


def test_a_token_that_may_not_delete_ends_the_prune_after_a_few_deletes(
    sandbox: Sandbox, prune_it: Prune, network: Network, faults: Faults, caplog: pytest.LogCaptureFixture
) -> None:
    model = sandbox.new_model(versions=400)
    faults.add([Fault(method="DELETE", execute="never", status=403, times=1000)])
    with (
        pytest.raises(PruneIncompleteError, match="399 of 399 planned deletes") as caught,
        caplog.at_level(logging.WARNING),
    ):
        prune_it(model, KEEP_ONE)
    assert len(network.deleted) == 3
    assert len(caplog.records) == 4
    assert not caught.value.retryable
    assert "may not delete versions" in str(caught.value)


def test_many_refused_deletes_log_few_lines(
    sandbox: Sandbox, prune_it: Prune, faults: Faults, caplog: pytest.LogCaptureFixture
) -> None:
    model = sandbox.new_model(versions=300)
    faults.add([Fault(method="DELETE", execute="never", status=409, times=1000)])
    with pytest.raises(PruneIncompleteError) as caught, caplog.at_level(logging.WARNING):
        prune_it(model, KEEP_ONE)
    assert caught.value.report["failed_count"] == 299
    assert len(caplog.records) == 21
