"""Pruning a sandbox where things go wrong."""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import pytest

from airflow_provider_wriftai.client.api import API
from airflow_provider_wriftai.client.errors import NotFoundError, RequestError, WriftAIError
from airflow_provider_wriftai.client.references import ModelReference, VersionReference
from airflow_provider_wriftai.client.retrying import RetryPolicy
from airflow_provider_wriftai.domain.retention.errors import (
    PruneIncompleteError,
    TooManyDeletionsError,
    UnmatchedProtectionError,
    UnplannableError,
)
from airflow_provider_wriftai.domain.retention.policy import RetentionPolicy
from airflow_provider_wriftai.domain.retention.protection import Protection
from airflow_provider_wriftai.domain.retention.prune import prune
from airflow_provider_wriftai.domain.retention.record import Outcome, PruneRecord
from airflow_provider_wriftai.domain.retention.report import PruneReport
from airflow_provider_wriftai.domain.retention.selectors import read_versions
from airflow_provider_wriftai.domain.sansio import MOST_CONCURRENT
from airflow_provider_wriftai.sandbox.app import create_app
from airflow_provider_wriftai.sandbox.faults import Fault, Faults
from airflow_provider_wriftai.sandbox.rate_limit import Limit, RateLimit
from airflow_provider_wriftai.sandbox.server import running
from tests.support.sandbox import Sandbox

Handler = Callable[[httpx.Request], httpx.Response]
Prune = Callable[..., PruneReport]


class Network(httpx.AsyncHTTPTransport):
    """The network, which notes down what is asked, and does something before a request."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[str, str]] = []
        self.before: Callable[[str, str], None] = lambda method, name: None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        asked = (request.method, request.url.path.rpartition("/")[2])
        self.asked.append(asked)
        self.before(*asked)
        return await super().handle_async_request(request)

    @property
    def deleted(self) -> list[str]:
        return [name for method, name in self.asked if method == "DELETE"]


async def _sleep_not(seconds: float) -> None:
    """What looks again does so at once."""


@pytest.fixture
def network() -> Network:
    return Network()


@pytest.fixture
def prune_it(sandbox: Sandbox, faulty: tuple[str, Faults], faults: Faults, generation: int, network: Network) -> Prune:
    """Prune a model through a service of which each generation takes its turn, and where faults strike."""

    def run(model: str, policy: RetentionPolicy, **keywords: Any) -> PruneReport:
        async def prune_model() -> PruneReport:
            base_url = f"{faulty[0]}/generation-{generation}/v1"
            retry = RetryPolicy(attempts=keywords.pop("attempts", 1))
            async with API(base_url, sandbox.token, async_transport=network, retry=retry) as api:
                return await prune(api, ModelReference.parse(model), policy, sleep=_sleep_not, **keywords)

        return asyncio.run(prune_model())

    return run


def _prune_from(answer: Handler, policy: RetentionPolicy, **keywords: Any) -> PruneReport:
    async def prune_model() -> PruneReport:
        async with API(async_transport=httpx.MockTransport(answer), retry=RetryPolicy(attempts=1)) as api:
            return await prune(api, ModelReference("acme", "det"), policy, sleep=_sleep_not, **keywords)

    return asyncio.run(prune_model())


def _protecting(model: str, *named: Any, notes: str | None = None, **values: Any) -> RetentionPolicy:
    return RetentionPolicy(**values, protection=Protection.read(ModelReference.parse(model), named, notes))


KEEP_ONE = RetentionPolicy(keep_last=1)


# ---- what goes and what stays


def test_what_goes_and_what_stays(sandbox: Sandbox, prune_it: Prune) -> None:
    model = sandbox.new_model(versions=120)
    report = prune_it(model, RetentionPolicy(keep_last=5))
    assert sandbox.numbers(model) == [120, 119, 118, 117, 116]
    assert (len(report["deleted"]), len(report["kept"]), report["failed"], report["already_gone"]) == (115, 5, [], [])
    assert report["deleted"] == [decided["reference"] for decided in report["planned"]]
    assert json.loads(json.dumps(report)) == report
    assert prune_it(model, RetentionPolicy(keep_last=5))["planned"] == []


def test_by_age(sandbox: Sandbox, prune_it: Prune) -> None:
    model = sandbox.new_model(versions=12)
    prune_it(model, RetentionPolicy(older_than=timedelta(days=4, hours=12)))
    assert sandbox.numbers(model) == [12, 11, 10, 9]


def test_a_dry_run_plans_the_same_and_deletes_nothing(
    sandbox: Sandbox, prune_it: Prune, network: Network, generation: int
) -> None:
    model = sandbox.new_model(versions=12)
    policy = RetentionPolicy(keep_last=5, max_deletions=20)
    rehearsed = prune_it(model, policy, dry_run=True)
    assert (network.deleted, len(sandbox.numbers(model))) == ([], 12)
    assert (rehearsed["dry_run"], rehearsed["deleted"]) == (True, [])
    done = prune_it(model, policy)
    assert [rehearsed[key] for key in ("planned", "kept", "protected")] == [
        done[key] for key in ("planned", "kept", "protected")
    ]


def test_protected_by_name_by_image_and_by_release_notes(sandbox: Sandbox, prune_it: Prune, generation: int) -> None:
    model = sandbox.new_model(versions=10)
    stored = {version.number: version for version in sandbox.store.versions(*model.split("/"))}
    named = f"{model}:2" if generation == 2 else stored[2].id
    policy = _protecting(model, named, stored[4].container_image_digest, notes="build 6$", keep_last=2)
    report = prune_it(model, policy)
    assert sandbox.numbers(model) == [10, 9, 6, 4, 2]
    assert [entry["reason"].partition(" ")[0] for entry in report["protected"]] == ["protected:"] * 2 + ["protected"]
    assert len(report["kept"]) == 2


def test_images_are_looked_up_only_where_it_depends_on_them(
    sandbox: Sandbox, prune_it: Prune, network: Network, generation: int
) -> None:
    model = sandbox.new_model(versions=10)
    digest = sandbox.version(model, 3).container_image_digest
    prune_it(model, _protecting(model, digest, notes="build 1$", keep_last=6))
    assert sandbox.numbers(model) == [10, 9, 8, 7, 6, 5, 3, 1]
    looked_up = sorted(name for method, name in network.asked if method == "GET" and name != "versions")
    # Lists of generation 1 tell the image.
    assert looked_up == ([] if generation == 1 else ["2", "3", "4"])


def test_where_the_service_tells_no_image_a_protected_one_keeps_all() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert request.method == "GET"
        version = {"release_notes": "x", "created_at": "2020-01-01T00:00:00Z"}
        headers = {"date": format_datetime(datetime.now(UTC), usegmt=True)}
        if request.url.path.endswith("/versions"):
            items = [{**version, "number": number} for number in (3, 2, 1)]
            return httpx.Response(200, json={"items": items, "next_cursor": None}, headers=headers)
        return httpx.Response(200, json={**version, "number": int(request.url.path[-1])}, headers=headers)

    report = _prune_from(answer, _protecting("acme/det", "sha256:" + "ab" * 32, keep_last=1))
    assert [entry["reference"] for entry in report["protected"]] == ["acme/det:2", "acme/det:1"]
    assert "does not return its image" in report["protected"][0]["reason"]


def test_a_protected_version_that_is_not_there_is_told(
    sandbox: Sandbox, prune_it: Prune, generation: int, caplog: pytest.LogCaptureFixture
) -> None:
    model = sandbox.new_model(versions=3)
    prune_it(model, _protecting(model, 99 if generation == 2 else "id-99", keep_last=2))
    assert "1 protection matched no version" in caplog.text


def test_more_deletions_than_allowed_are_none(sandbox: Sandbox, prune_it: Prune, network: Network) -> None:
    model = sandbox.new_model(versions=30)
    with pytest.raises(TooManyDeletionsError, match=r"would delete 25 versions, and max_deletions is 24") as caught:
        prune_it(model, RetentionPolicy(keep_last=5, max_deletions=24))
    assert "… and 5 more" in str(caught.value)
    assert network.deleted == []
    assert len(caught.value.report["planned"]) == 25
    rehearsed = prune_it(model, RetentionPolicy(keep_last=5, max_deletions=24), dry_run=True)
    assert len(rehearsed["planned"]) == 25
    assert len(prune_it(model, RetentionPolicy(keep_last=5, max_deletions=25))["deleted"]) == 25


def test_the_log_has_a_table(sandbox: Sandbox, prune_it: Prune, caplog: pytest.LogCaptureFixture) -> None:
    model = sandbox.new_model(versions=3)
    with caplog.at_level(logging.INFO, "airflow_provider_wriftai.domain.retention"):
        prune_it(model, RetentionPolicy(keep_last=2))
    lines = caplog.messages
    assert lines[0] == f"{model} has 3 versions: 1 to delete, 2 to keep (0 protected)."
    assert lines[1].split() == ["version", "created", "(UTC)", "reason"]
    assert [line.split()[0] for line in lines[2:5]] == ["keep", "keep", "delete"]
    assert lines[4].endswith("number 3 from the newest, 2 kept")
    assert lines[5].startswith("Deleted ")
    assert re.fullmatch(rf"Deleted 1 version of {model} in \d+\.\d s \(0 already gone\)\.", lines[6])


def test_the_table_of_many_leaves_out_the_middle(
    sandbox: Sandbox, prune_it: Prune, caplog: pytest.LogCaptureFixture
) -> None:
    model = sandbox.new_model(versions=250)
    with caplog.at_level(logging.INFO, "airflow_provider_wriftai.domain.retention"):
        prune_it(model, RetentionPolicy(keep_last=125), dry_run=True)
    rows = [message for message in caplog.messages if message.startswith(("delete ", "keep "))]
    assert len(rows) == 200
    assert "… 50 more …" in caplog.text


# ---- carrying it out


def test_the_oldest_goes_first_and_several_at_once(sandbox: Sandbox, prune_it: Prune, network: Network) -> None:
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


def test_a_version_that_is_gone_already_is_no_failure(sandbox: Sandbox, prune_it: Prune, network: Network) -> None:
    model = sandbox.new_model(versions=4)
    gone = sandbox.version(model, 2)

    def somebody_else_deletes(method: str, name: str) -> None:
        if method == "DELETE":
            sandbox.store.delete_version(gone)

    network.before = somebody_else_deletes
    report = prune_it(model, KEEP_ONE)
    assert len(report["already_gone"]) == 1
    assert (len(report["deleted"]), sandbox.numbers(model)) == (2, [4])


def test_a_404_that_the_list_disagrees_with_is_a_failure(sandbox: Sandbox, prune_it: Prune, faults: Faults) -> None:
    model = sandbox.new_model(versions=3)
    faults.add([Fault(method="DELETE", execute="never", status=404, times=2)])
    with pytest.raises(PruneIncompleteError, match="answered 404, but still lists the version") as caught:
        prune_it(model, KEEP_ONE)
    assert caught.value.report["already_gone"] == []


def test_a_delete_without_an_answer_that_the_list_disagrees_with_is_a_failure(
    sandbox: Sandbox, prune_it: Prune, faults: Faults
) -> None:
    model = sandbox.new_model(versions=2)
    # As where a proxy loses the service, and then says itself that there is nothing.
    faults.add([Fault(method="DELETE", execute="never", status=status) for status in (503, 404)])
    with pytest.raises(
        PruneIncompleteError, match="did not confirm the delete as its contract says, and still lists"
    ) as caught:
        prune_it(model, KEEP_ONE, attempts=3)
    assert caught.value.report["deleted"] == []


def test_the_report_survives_where_doubts_cannot_be_settled(
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


def test_a_web_page_says_nothing_of_a_delete() -> None:
    headers = {"date": format_datetime(datetime.now(UTC), usegmt=True)}

    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "DELETE":
            return httpx.Response(200, html="<html>Please sign in</html>")
        items = [{**OLD, "number": number} for number in (2, 1)]
        return httpx.Response(200, json={"items": items, "next_cursor": None}, headers=headers)

    with pytest.raises(PruneIncompleteError, match="a web page"):
        _prune_from(answer, KEEP_ONE)


def test_a_web_page_in_place_of_the_response_to_a_delete_is_verified(
    sandbox: Sandbox, prune_it: Prune, faults: Faults
) -> None:
    model = sandbox.new_model(versions=4)
    faults.add([Fault(method="DELETE", response="html", status=200)])
    report = prune_it(model, KEEP_ONE, attempts=1)
    assert (len(report["deleted"]), report["failed"]) == (3, [])
    assert sandbox.numbers(model) == [4]


def test_only_the_versions_that_were_approved_go(
    sandbox: Sandbox, prune_it: Prune, network: Network, schemas: Any, digest: str
) -> None:
    model = sandbox.new_model(versions=6)
    rehearsed = prune_it(model, KEEP_ONE, dry_run=True)
    sandbox.store.create_version(*model.split("/"), release_notes="x", schemas=schemas, container_image_digest=digest)
    only = read_versions("only", ModelReference.parse(model), rehearsed["planned"][:3])
    report = prune_it(model, RetentionPolicy(keep_last=1, only=only))
    assert sandbox.numbers(model) == [7, 6, 5, 4]
    assert report["deleted"] == [entry["reference"] for entry in rehearsed["planned"][:3]]


def test_a_delete_whose_answer_is_lost_is_done(sandbox: Sandbox, prune_it: Prune, faults: Faults) -> None:
    model = sandbox.new_model(versions=6)
    faults.add([Fault(method="DELETE", response="drop"), Fault(method="DELETE", response="html")])
    report = prune_it(model, KEEP_ONE, attempts=3)
    assert len(report["deleted"]) == 5
    assert sandbox.numbers(model) == [6]


def test_a_token_that_is_revoked_half_way_ends_it_at_once(
    sandbox: Sandbox, prune_it: Prune, network: Network, faults: Faults
) -> None:
    model = sandbox.new_model(versions=400)
    faults.add([Fault(method="DELETE", status=204, times=20), Fault(method="DELETE", execute="never", status=401)])
    with pytest.raises(PruneIncompleteError, match="could not be deleted") as caught:
        prune_it(model, KEEP_ONE)
    assert 20 <= len(caught.value.report["deleted"]) < 399
    assert len(caught.value.report["deleted"]) + len(caught.value.report["failed"]) == 399
    assert len(network.deleted) < 399


@pytest.mark.parametrize("status", [409, 403])
def test_one_failure_does_not_stop_the_rest_and_the_next_run_does_what_is_left(
    sandbox: Sandbox, prune_it: Prune, faults: Faults, status: int
) -> None:
    model = sandbox.new_model(versions=5)
    faults.add([Fault(method="DELETE", execute="never", status=each) for each in (status, 503)])
    with pytest.raises(
        PruneIncompleteError, match=r"2 of 4 versions .* could not be deleted; 2 were. Another attempt deletes the rest"
    ) as caught:
        prune_it(model, KEEP_ONE)
    assert caught.value.retryable
    assert len(caught.value.report["failed"]) == 2
    assert len(sandbox.numbers(model)) == 3
    assert len(prune_it(model, KEEP_ONE)["deleted"]) == 2
    assert sandbox.numbers(model) == [5]


def test_what_is_refused_for_good_is_not_tried_again(sandbox: Sandbox, prune_it: Prune, faults: Faults) -> None:
    model = sandbox.new_model(versions=5)
    faults.add([Fault(method="DELETE", execute="never", status=403, times=2)])
    with pytest.raises(PruneIncompleteError, match="Another attempt would fail, too") as caught:
        prune_it(model, KEEP_ONE)
    assert not caught.value.retryable
    assert len(sandbox.numbers(model)) == 3


def test_an_outage_is_not_waited_out_version_by_version(
    sandbox: Sandbox, prune_it: Prune, network: Network, faults: Faults
) -> None:
    model = sandbox.new_model(versions=120)
    faults.add([Fault(method="DELETE", execute="never", status=503, times=1000)])
    with pytest.raises(PruneIncompleteError, match="119 of 119 versions") as caught:
        prune_it(model, KEEP_ONE)
    assert 20 <= len(network.deleted) <= 20 + MOST_CONCURRENT
    assert "Not attempted" in caught.value.report["failed"][-1]["error"]
    assert len(sandbox.numbers(model)) == 120


def test_a_version_that_is_published_meanwhile_is_never_touched(
    sandbox: Sandbox, prune_it: Prune, network: Network, schemas: Any, digest: str
) -> None:
    model = sandbox.new_model(versions=60)
    owner, name = model.split("/")

    def publish(method: str, _: str) -> None:
        if len(network.asked) in (2, 3, 20):
            sandbox.store.create_version(owner, name, release_notes="x", schemas=schemas, container_image_digest=digest)

    network.before = publish
    report = prune_it(model, KEEP_ONE)
    assert sandbox.numbers(model) == [63, 62, 61, 60]
    assert len(report["deleted"]) == 59


def test_long_work_tells_how_far_it_is(sandbox: Sandbox, prune_it: Prune, caplog: pytest.LogCaptureFixture) -> None:
    model = sandbox.new_model(versions=41)
    ticks = itertools.count(step=2.0)
    with caplog.at_level(logging.INFO):
        prune_it(model, KEEP_ONE, clock=lambda: next(ticks))
    progress = [message for message in caplog.messages if "remaining" in message]
    assert progress[0] == "Deleted versions: 5 of 40 (0.5 per second, about 70 s remaining)."
    assert len(progress) == 8


def test_many_under_a_limit_earn_no_429(sandbox: Sandbox) -> None:
    model = sandbox.new_model(versions=40)
    with running(create_app(sandbox.store, RateLimit(Limit(per_second=100, burst=5), None))) as url:

        async def prune_model() -> PruneReport:
            async with API(f"{url}/v1", sandbox.token) as api:
                return await prune(api, ModelReference.parse(model), KEEP_ONE)

        assert len(asyncio.run(prune_model())["deleted"]) == 39
    answers = [entry["status"] for entry in sandbox.store.requests(1000) if f"/{model}/" in entry["path"]]
    assert answers.count(429) <= 1
    assert answers.count(204) == 39


# ---- bad input: nothing is deleted


@pytest.mark.parametrize("fault", [Fault(method="GET", response="drop"), Fault(method="GET", response="garbled")])
def test_a_listing_that_breaks_off(
    sandbox: Sandbox, prune_it: Prune, network: Network, faults: Faults, fault: Fault
) -> None:
    model = sandbox.new_model(versions=60)

    def break_the_second_page(method: str, name: str) -> None:
        if len(network.asked) == 2:
            faults.add([fault])

    network.before = break_the_second_page
    with pytest.raises(RequestError):
        prune_it(model, KEEP_ONE)
    assert network.deleted == []
    assert len(sandbox.numbers(model)) == 60


OLD = {"created_at": "2020-01-01T00:00:00Z", "release_notes": "x"}


@pytest.mark.parametrize(
    ("items", "said"),
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
def test_what_the_service_says_may_not_be_relied_on(items: Any, said: str) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert request.method == "GET"
        headers = {"date": format_datetime(datetime.now(UTC), usegmt=True)}
        return httpx.Response(200, json={"items": items, "next_cursor": None}, headers=headers)

    with pytest.raises(WriftAIError, match=said):
        _prune_from(answer, KEEP_ONE)


@pytest.mark.parametrize("date", [{}, {"date": "yesterday"}])
def test_without_the_services_clock_nothing_is_deleted(date: dict[str, str]) -> None:
    def undated(request: httpx.Request) -> httpx.Response:
        assert request.method == "GET"
        items = [{**OLD, "number": number} for number in (2, 1)]
        return httpx.Response(200, json={"items": items, "next_cursor": None}, headers=date)

    with pytest.raises(UnplannableError, match="Date header"):
        _prune_from(undated, RetentionPolicy(older_than=timedelta(days=1)))


@pytest.mark.parametrize("years", [-30, 30])
@pytest.mark.parametrize("wrong", ["service", "worker"])
def test_clocks_that_are_far_apart_delete_nothing(wrong: str, years: int) -> None:
    right = datetime.now(UTC)
    other = right + timedelta(days=365 * years)
    service, own = (other, right) if wrong == "service" else (right, other)

    def answer(request: httpx.Request) -> httpx.Response:
        assert request.method == "GET"
        items = [{**OLD, "number": number} for number in (2, 1)]
        headers = {"date": format_datetime(service, usegmt=True)}
        return httpx.Response(200, json={"items": items, "next_cursor": None}, headers=headers)

    with pytest.raises(UnplannableError, match="so one of them is wrong") as caught:
        _prune_from(answer, KEEP_ONE, own_clock=lambda: own)
    assert all(clock.isoformat(timespec="seconds") in str(caught.value) for clock in (service, own))


@pytest.mark.parametrize("hours", [-20, 20])
def test_ages_are_measured_by_the_earlier_clock(sandbox: Sandbox, prune_it: Prune, hours: int) -> None:
    model = sandbox.new_model(versions=12)  # one a day
    own = datetime.now(UTC) + timedelta(hours=hours)
    prune_it(model, RetentionPolicy(older_than=timedelta(days=4, hours=12)), own_clock=lambda: own)
    assert sandbox.numbers(model) == ([12, 11, 10, 9] if hours > 0 else [12, 11, 10, 9, 8])


def test_a_model_that_is_not_there(prune_it: Prune) -> None:
    with pytest.raises(NotFoundError):
        prune_it("acme/no-such-model", KEEP_ONE)


def test_a_model_without_versions(sandbox: Sandbox, prune_it: Prune) -> None:
    model = sandbox.new_model()
    report = prune_it(model, _protecting(model, 7, keep_last=1))
    assert (report["planned"], report["kept"]) == ([], [])


# ---- responses that do not say what happened


def _service(answers_to_delete: Callable[[int], httpx.Response], numbers: list[int]) -> tuple[Handler, list[int]]:
    """A service whose deletes answer as given. A version is gone when its number is taken from the list."""
    there = list(numbers)
    headers = {"date": format_datetime(datetime.now(UTC), usegmt=True)}

    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "DELETE":
            return answers_to_delete(int(request.url.path.rpartition("/")[2]))
        items = [{**OLD, "number": number} for number in there]
        return httpx.Response(200, json={"items": items, "next_cursor": None}, headers=headers)

    return answer, there


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
def test_only_the_answer_of_the_contract_counts_as_deleted(response: httpx.Response) -> None:
    answer, _ = _service(lambda number: httpx.Response(response.status_code, content=response.content), [2, 1])
    with pytest.raises(PruneIncompleteError, match="did not confirm the delete as its contract says") as caught:
        _prune_from(answer, KEEP_ONE)
    assert caught.value.report["deleted"] == []
    assert [entry["reference"] for entry in caught.value.report["failed"]] == ["acme/det:1"]


def test_a_delete_that_is_accepted_and_carried_out_is_one() -> None:
    def accept(number: int) -> httpx.Response:
        there.remove(number)
        return httpx.Response(202)

    answer, there = _service(accept, [3, 2, 1])
    assert _prune_from(answer, KEEP_ONE)["deleted"] == ["acme/det:1", "acme/det:2"]


@pytest.mark.parametrize(("status", "key"), [(404, "already_gone"), (410, "already_gone"), (202, "deleted")])
def test_a_list_that_lags_behind_is_read_again(status: int, key: str) -> None:
    answer, there = _service(lambda number: httpx.Response(status, json={}), [3, 2, 1])
    slept: list[float] = []

    async def prune_model() -> PruneReport:
        async def sleep(seconds: float) -> None:
            slept.append(seconds)
            if len(slept) == 2:
                there[:] = [3]

        async with API(async_transport=httpx.MockTransport(answer), retry=RetryPolicy(attempts=1)) as api:
            return await prune(api, ModelReference("acme", "det"), KEEP_ONE, sleep=sleep)

    report = asyncio.run(prune_model())
    assert (report[key], report["failed"]) == (["acme/det:1", "acme/det:2"], [])  # type: ignore[literal-required]
    assert slept == [2.0, 4.0]


def test_details_of_another_version_delete_nothing(sandbox: Sandbox) -> None:
    digest = "sha256:" + "ab" * 32

    def answer(request: httpx.Request) -> httpx.Response:
        assert request.method == "GET"
        headers = {"date": format_datetime(datetime.now(UTC), usegmt=True)}
        if request.url.path.endswith("/versions"):
            items = [{**OLD, "number": number} for number in (2, 1)]
            return httpx.Response(200, json={"items": items, "next_cursor": None}, headers=headers)
        # As a cache answers that does not know whom the answer was for.
        return httpx.Response(200, json={**OLD, "number": 2, "container_image_digest": "sha256:" + "cd" * 32})

    with pytest.raises(RequestError, match="version 'acme/det:2' instead of 'acme/det:1'"):
        _prune_from(answer, _protecting("acme/det", digest, keep_last=1))


# ---- protections that match nothing


@pytest.mark.parametrize("fail", [True, False])
def test_a_protection_that_matches_nothing(
    sandbox: Sandbox, prune_it: Prune, network: Network, generation: int, fail: bool, caplog: pytest.LogCaptureFixture
) -> None:
    model = sandbox.new_model(versions=5)
    named, digest = (99 if generation == 2 else "id-99"), "sha256:" + "ab" * 32
    policy = _protecting(model, named, digest, notes="relaese", keep_last=3, fail_on_unmatched_protection=fail)
    unmatched = [f"version {named}", f"image {digest}", "protect_release_notes 'relaese'"]
    if fail:
        with pytest.raises(
            UnmatchedProtectionError, match=r"3 protections of .* matched no version, so nothing"
        ) as caught:
            prune_it(model, policy)
        assert (network.deleted, caught.value.retryable) == ([], False)
        report = caught.value.report
    else:
        report = prune_it(model, policy)
        assert len(report["deleted"]) == 2
    assert report["unmatched_protections"] == unmatched
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert all(each in warnings[0] for each in unmatched)


# ---- what is on record


def test_deleted_versions_are_logged_in_batches(
    sandbox: Sandbox, prune_it: Prune, caplog: pytest.LogCaptureFixture
) -> None:
    model = sandbox.new_model(versions=121)
    with caplog.at_level(logging.INFO):
        report = prune_it(model, KEEP_ONE)
    lines = [message for message in caplog.messages if re.match("Deleted (?![0-9]+ versions)", message)]
    assert len(lines) == 3
    if ":" in report["deleted"][0]:
        assert set().union(*(_numbers_in(line, model) for line in lines)) == set(range(1, 121))
    else:
        assert all(reference in "".join(lines) for reference in report["deleted"])


def test_a_token_that_may_not_delete_ends_it_after_a_few(
    sandbox: Sandbox, prune_it: Prune, network: Network, faults: Faults, caplog: pytest.LogCaptureFixture
) -> None:
    model = sandbox.new_model(versions=400)
    faults.add([Fault(method="DELETE", execute="never", status=403, times=1000)])
    with pytest.raises(PruneIncompleteError, match="399 of 399 versions") as caught, caplog.at_level(logging.WARNING):
        prune_it(model, KEEP_ONE)
    assert len(network.deleted) == 3
    assert len(caplog.records) == 4
    assert not caught.value.retryable
    assert "may not delete versions" in str(caught.value)


def test_many_refused_deletes_make_few_lines(
    sandbox: Sandbox, prune_it: Prune, faults: Faults, caplog: pytest.LogCaptureFixture
) -> None:
    model = sandbox.new_model(versions=300)
    faults.add([Fault(method="DELETE", execute="never", status=409, times=1000)])
    with pytest.raises(PruneIncompleteError) as caught, caplog.at_level(logging.WARNING):
        prune_it(model, KEEP_ONE)
    assert caught.value.report["failed_count"] == 299
    assert len(caplog.records) == 21


def test_what_is_done_is_on_record_when_it_is_stopped(
    sandbox: Sandbox, faulty: tuple[str, Faults], faults: Faults, caplog: pytest.LogCaptureFixture
) -> None:
    model = sandbox.new_model(versions=100)
    hanging = Fault(method="DELETE", execute="never", delay=3600, times=90)
    faults.add([*[Fault(method="DELETE", status=204)] * 10, hanging])
    record = _Signalling(26)

    async def prune_model() -> None:
        async with API(f"{faulty[0]}/generation-2/v1", sandbox.token) as api:
            task = asyncio.ensure_future(prune(api, ModelReference.parse(model), KEEP_ONE, record=record))
            await record.reached.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    with caplog.at_level(logging.INFO):
        asyncio.run(prune_model())
    report = record.report()
    assert report is not None
    assert (report["planned_count"], report["deleted_count"], report["interrupted_count"]) == (99, 10, 16)
    (line,) = [message for message in caplog.messages if message.startswith("Deleted ")]
    assert _numbers_in(line, model) == {int(each.rpartition(":")[2]) for each in report["deleted"]}
    assert "The task was stopped: 10 of 99 versions deleted, 16 without an answer yet." in caplog.messages


class _Signalling(PruneRecord):
    """A record that signals when a number of deletes was sent."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self._count = count
        self.reached = asyncio.Event()

    def add(self, reference: VersionReference, outcome: Outcome) -> None:
        super().add(reference, outcome)
        if len(self.outcomes) >= self._count:
            self.reached.set()


def _numbers_in(line: str, model: str) -> set[int]:
    numbers: set[int] = set()
    for part in line.removeprefix(f"Deleted {model}:").removesuffix(".").split(","):
        first, _, last = part.partition("-")
        numbers.update(range(int(first), int(last or first) + 1))
    return numbers
