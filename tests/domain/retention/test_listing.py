"""What is read before anything is deleted, and when it is not reliable."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import pytest

from airflow_provider_wriftai.client.errors import NotFoundError, RequestError, WriftAIError
from airflow_provider_wriftai.domain.retention.errors import UnplannableError
from airflow_provider_wriftai.domain.retention.policy import RetentionPolicy
from airflow_provider_wriftai.sandbox.faults import Fault, Faults
from tests.support.pruning import KEEP_ONE, OLD, Network, Prune, policy_protecting, prune_against
from tests.support.sandbox import Sandbox


def test_images_are_looked_up_only_if_a_decision_depends_on_them(
    sandbox: Sandbox, prune_it: Prune, network: Network, generation: int
) -> None:
    model = sandbox.new_model(versions=10)
    digest = sandbox.version(model, 3).container_image_digest
    prune_it(model, policy_protecting(model, digest, notes="build 1$", keep_last=6))
    assert sandbox.numbers(model) == [10, 9, 8, 7, 6, 5, 3, 1]
    looked_up = sorted(name for method, name in network.requests if method == "GET" and name != "versions")
    # Lists of generation 1 contain the image.
    assert looked_up == ([] if generation == 1 else ["2", "3", "4"])


def test_a_protected_image_keeps_every_version_if_the_service_returns_no_images() -> None:
    def respond(request: httpx.Request) -> httpx.Response:
        assert request.method == "GET"
        version = {"release_notes": "x", "created_at": "2020-01-01T00:00:00Z"}
        headers = {"date": format_datetime(datetime.now(UTC), usegmt=True)}
        if request.url.path.endswith("/versions"):
            items = [{**version, "number": number} for number in (3, 2, 1)]
            return httpx.Response(200, json={"items": items, "next_cursor": None}, headers=headers)
        return httpx.Response(200, json={**version, "number": int(request.url.path[-1])}, headers=headers)

    report = prune_against(respond, policy_protecting("acme/det", "sha256:" + "ab" * 32, keep_last=1))
    assert [entry["reference"] for entry in report["protected"]] == ["acme/det:2", "acme/det:1"]
    assert "does not return its image" in report["protected"][0]["reason"]


@pytest.mark.parametrize("fault", [Fault(method="GET", response="drop"), Fault(method="GET", response="garbled")])
def test_a_listing_that_breaks_off_deletes_nothing(
    sandbox: Sandbox, prune_it: Prune, network: Network, faults: Faults, fault: Fault
) -> None:
    model = sandbox.new_model(versions=60)

    def break_the_second_page(method: str, name: str) -> None:
        if len(network.requests) == 2:
            faults.add([fault])

    network.before = break_the_second_page
    with pytest.raises(RequestError):
        prune_it(model, KEEP_ONE)
    assert network.deleted == []
    assert len(sandbox.numbers(model)) == 60


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ([{**OLD, "number": 2}, {**OLD, "number": 1, "created_at": "yesterday"}], "not an ISO 8601 time"),
        ([{**OLD, "number": 2}, {**OLD, "number": 1, "created_at": "2020-01-01T00:00:00"}], "not an ISO 8601 time"),
        ([{**OLD, "number": 2}, {**OLD, "number": 1, "created_at": None}], "not an ISO 8601 time"),
        ([{**OLD, "number": 2, "created_at": "2999-01-01T00:00:00Z"}, {**OLD, "number": 1}], "in the future"),
        ([{**OLD, "number": 2}, OLD], "without a usable 'number' or 'id'"),
        ([{**OLD, "number": 2}, {**OLD, "id": "a"}], "some by id"),
        ([{**OLD, "number": 2}, {**OLD, "number": 2}], "twice"),
        ([{**OLD, "number": 2}, 7], "a version that is a JSON int"),
        ("none", "without a list of 'items'"),
    ],
)
def test_a_listing_that_is_not_reliable_deletes_nothing(items: Any, message: str) -> None:
    def respond(request: httpx.Request) -> httpx.Response:
        assert request.method == "GET"
        headers = {"date": format_datetime(datetime.now(UTC), usegmt=True)}
        return httpx.Response(200, json={"items": items, "next_cursor": None}, headers=headers)

    with pytest.raises(WriftAIError, match=message):
        prune_against(respond, KEEP_ONE)


@pytest.mark.parametrize(
    ("created_at", "date", "message"),
    [
        ("9999-12-31T23:59:59-01:00", None, "in the future"),
        ("2020-01-01T00:00:00Z", "Fri, 31 Dec 9999 23:59:59 -2300", "The service's clock says 9999-12-31T23:59:59"),
        ("0001-01-01T00:00:00+14:00", None, "not an ISO 8601 time"),
    ],
)
def test_a_time_that_utc_cannot_express_deletes_nothing(created_at: str, date: str | None, message: str) -> None:
    def respond(request: httpx.Request) -> httpx.Response:
        assert request.method == "GET"
        items = [{**OLD, "number": 2}, {**OLD, "number": 1, "created_at": created_at}]
        headers = {"date": date or format_datetime(datetime.now(UTC), usegmt=True)}
        return httpx.Response(200, json={"items": items, "next_cursor": None}, headers=headers)

    with pytest.raises(UnplannableError, match=message):
        prune_against(respond, KEEP_ONE)


def test_a_page_whose_cursor_cannot_be_held_is_not_the_last_one() -> None:
    def respond(request: httpx.Request) -> httpx.Response:
        assert request.method == "GET"
        items = [{**OLD, "number": number} for number in (3, 2, 1)]
        headers = {"date": format_datetime(datetime.now(UTC), usegmt=True)}
        return httpx.Response(200, json={"items": items, "next_cursor": "\0"}, headers=headers)

    with pytest.raises(RequestError, match="a page whose 'next_cursor' contains what no request can"):
        prune_against(respond, KEEP_ONE)


def test_a_list_that_repeats_itself_is_refused_on_its_second_page() -> None:
    requests: list[httpx.Request] = []

    def repeat(request: httpx.Request) -> httpx.Response:
        assert request.method == "GET"
        requests.append(request)
        items = [{**OLD, "number": number} for number in (2, 1)]
        headers = {"date": format_datetime(datetime.now(UTC), usegmt=True)}
        return httpx.Response(200, json={"items": items, "next_cursor": str(len(requests))}, headers=headers)

    with pytest.raises(UnplannableError, match="listed acme/det:2 twice"):
        prune_against(repeat, KEEP_ONE)
    assert len(requests) == 2


def test_the_progress_of_a_long_listing_is_logged_at_growing_intervals(caplog: pytest.LogCaptureFixture) -> None:
    ticks = itertools.count()

    def respond(request: httpx.Request) -> httpx.Response:
        if request.method == "DELETE":
            return httpx.Response(204)
        items = [{**OLD, "number": number} for number in range(100, 0, -1)]
        headers = {"date": format_datetime(datetime.now(UTC), usegmt=True)}
        return httpx.Response(200, json={"items": items, "next_cursor": None}, headers=headers)

    with caplog.at_level("INFO"):
        prune_against(respond, RetentionPolicy(keep_last=100), clock=lambda: float(next(ticks)))
    lines = [record.getMessage() for record in caplog.records if "so far" in record.getMessage()]
    assert lines == [f"Read versions of acme/det: {count} so far (1.0 per second)." for count in (10, 30, 70)]


@pytest.mark.parametrize("date", [{}, {"date": "yesterday"}])
def test_without_the_services_clock_nothing_is_deleted(date: dict[str, str]) -> None:
    def undated(request: httpx.Request) -> httpx.Response:
        assert request.method == "GET"
        items = [{**OLD, "number": number} for number in (2, 1)]
        return httpx.Response(200, json={"items": items, "next_cursor": None}, headers=date)

    with pytest.raises(UnplannableError, match="Date header"):
        prune_against(undated, RetentionPolicy(older_than=timedelta(days=1)))


@pytest.mark.parametrize("years", [-30, 30])
@pytest.mark.parametrize("wrong", ["service", "worker"])
def test_clocks_that_are_far_apart_delete_nothing(wrong: str, years: int) -> None:
    right = datetime.now(UTC)
    other = right + timedelta(days=365 * years)
    service, own = (other, right) if wrong == "service" else (right, other)

    def respond(request: httpx.Request) -> httpx.Response:
        assert request.method == "GET"
        items = [{**OLD, "number": number} for number in (2, 1)]
        headers = {"date": format_datetime(service, usegmt=True)}
        return httpx.Response(200, json={"items": items, "next_cursor": None}, headers=headers)

    with pytest.raises(UnplannableError, match="so one of them is wrong") as caught:
        prune_against(respond, KEEP_ONE, own_clock=lambda: own)
    assert all(clock.isoformat(timespec="seconds") in str(caught.value) for clock in (service, own))


@pytest.mark.parametrize("hours", [-20, 20])
def test_ages_are_measured_by_the_earlier_clock(sandbox: Sandbox, prune_it: Prune, hours: int) -> None:
    model = sandbox.new_model(versions=12)  # one a day
    own = datetime.now(UTC) + timedelta(hours=hours)
    prune_it(model, RetentionPolicy(older_than=timedelta(days=4, hours=12)), own_clock=lambda: own)
    assert sandbox.numbers(model) == ([12, 11, 10, 9] if hours > 0 else [12, 11, 10, 9, 8])


def test_a_model_that_does_not_exist_is_an_error(prune_it: Prune) -> None:
    with pytest.raises(NotFoundError):
        prune_it("acme/no-such-model", KEEP_ONE)


def test_a_model_without_versions_has_an_empty_report(sandbox: Sandbox, prune_it: Prune) -> None:
    model = sandbox.new_model()
    report = prune_it(model, policy_protecting(model, 7, keep_last=1))
    assert (report["planned"], report["kept"]) == ([], [])


def test_details_of_another_version_delete_nothing() -> None:
    digest = "sha256:" + "ab" * 32

    def respond(request: httpx.Request) -> httpx.Response:
        assert request.method == "GET"
        headers = {"date": format_datetime(datetime.now(UTC), usegmt=True)}
        if request.url.path.endswith("/versions"):
            items = [{**OLD, "number": number} for number in (2, 1)]
            return httpx.Response(200, json={"items": items, "next_cursor": None}, headers=headers)
        # As from a cache that ignores which version was requested.
        return httpx.Response(200, json={**OLD, "number": 2, "container_image_digest": "sha256:" + "cd" * 32})

    with pytest.raises(RequestError, match="version 'acme/det:2' instead of 'acme/det:1'"):
        prune_against(respond, policy_protecting("acme/det", digest, keep_last=1))
