from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from airflow_provider_wriftai.client.api import API
from airflow_provider_wriftai.client.errors import AuthenticationError, ConnectionFailedError, NotFoundError
from airflow_provider_wriftai.client.references import ModelReference
from airflow_provider_wriftai.client.retrying import RetryPolicy
from airflow_provider_wriftai.client.versions import Versions
from airflow_provider_wriftai.retention.errors import PruneIncompleteError, UnplannableError
from airflow_provider_wriftai.retention.policy import RetentionPolicy
from airflow_provider_wriftai.retention.prune import prune


class Meddling(httpx.HTTPTransport):
    """The network, with something that happens before or instead of a request."""

    def __init__(self) -> None:
        super().__init__()
        self.instead: dict[tuple[str, str], httpx.Response | Exception] = {}
        self.before: dict[tuple[str, str], Callable[[], None]] = {}
        self.asked: list[tuple[str, str]] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        asked = (request.method, request.url.path.rpartition("/")[2] + str(request.url.query.decode()))
        self.asked.append(asked)
        if asked in self.before:
            self.before[asked]()
        instead = self.instead.get(asked)
        if isinstance(instead, Exception):
            raise instead
        return instead or super().handle_request(request)

    def deleted(self) -> list[str]:
        return [what for method, what in self.asked if method == "DELETE"]


@pytest.fixture
def network() -> Meddling:
    return Meddling()


@pytest.fixture
def numbered(sandbox: Any, network: Meddling) -> Iterator[Versions]:
    with API(sandbox.base_url(2), sandbox.token, transport=network, retry=RetryPolicy(attempts=1)) as api:
        yield Versions(api)


def test_what_goes_and_what_stays(sandbox: Any, versions: Versions) -> None:
    model = sandbox.new_model(versions=120)
    report = prune(versions, ModelReference.parse(model), RetentionPolicy(keep_last=5))
    assert sandbox.numbers(model) == [120, 119, 118, 117, 116]
    assert (len(report["deleted"]), len(report["kept"]), report["failed"], report["already_gone"]) == (115, 5, [], [])
    assert report["deleted"] == [decided["reference"] for decided in report["planned"]]
    assert prune(versions, ModelReference.parse(model), RetentionPolicy(keep_last=5))["planned"] == []


def test_by_age(sandbox: Any, versions: Versions) -> None:
    model = sandbox.new_model(versions=12)
    prune(versions, ModelReference.parse(model), RetentionPolicy(older_than=timedelta(days=4, hours=12)))
    assert sandbox.numbers(model) == [12, 11, 10, 9]


def test_a_dry_run_plans_the_same_and_deletes_nothing(sandbox: Any, versions: Versions) -> None:
    model = sandbox.new_model(versions=12)
    reference, policy = ModelReference.parse(model), RetentionPolicy(keep_last=5)
    rehearsed = prune(versions, reference, policy, dry_run=True)
    assert sandbox.numbers(model) == list(range(12, 0, -1))
    assert (rehearsed["dry_run"], rehearsed["deleted"]) == (True, [])
    done = prune(versions, reference, policy)
    assert [rehearsed["planned"], rehearsed["kept"]] == [done["planned"], done["kept"]]


def test_the_oldest_goes_first(sandbox: Any, numbered: Versions, network: Meddling) -> None:
    model = sandbox.new_model(versions=7)
    prune(numbered, ModelReference.parse(model), RetentionPolicy(keep_last=4))
    assert network.deleted() == ["1", "2", "3"]


def test_a_version_that_is_gone_already_is_no_failure(sandbox: Any, numbered: Versions, network: Meddling) -> None:
    model = sandbox.new_model(versions=4)
    second = sandbox.store.version_by_number(*model.split("/"), 2)
    network.before["DELETE", "1"] = lambda: sandbox.store.delete_version(second)
    report = prune(numbered, ModelReference.parse(model), RetentionPolicy(keep_last=1))
    assert report["already_gone"] == [f"{model}:2"]
    assert report["deleted"] == [f"{model}:1", f"{model}:3"]


def test_a_404_that_the_list_disagrees_with_is_a_failure(sandbox: Any, numbered: Versions, network: Meddling) -> None:
    model = sandbox.new_model(versions=3)
    for number in ("1", "2"):
        network.instead["DELETE", number] = httpx.Response(404, json={"detail": "no such path"})
    with pytest.raises(PruneIncompleteError, match="404, yet it is still listed") as caught:
        prune(numbered, ModelReference.parse(model), RetentionPolicy(keep_last=1))
    assert caught.value.report["already_gone"] == []


def test_a_token_that_is_refused_half_way_ends_it_at_once(sandbox: Any, numbered: Versions, network: Meddling) -> None:
    model = sandbox.new_model(versions=5)
    network.instead["DELETE", "2"] = httpx.Response(401, json={"detail": "revoked"})
    with pytest.raises(AuthenticationError):
        prune(numbered, ModelReference.parse(model), RetentionPolicy(keep_last=1))
    assert network.deleted() == ["1", "2"]


def test_one_failure_does_not_stop_the_rest_and_is_told(sandbox: Any, numbered: Versions, network: Meddling) -> None:
    model = sandbox.new_model(versions=5)
    network.instead["DELETE", "1"] = httpx.Response(409, json={"detail": "pinned"})
    network.instead["DELETE", "3"] = httpx.ReadTimeout("slow")
    with pytest.raises(PruneIncompleteError, match=r"2 of 4 versions .* could not be deleted") as caught:
        prune(numbered, ModelReference.parse(model), RetentionPolicy(keep_last=1))
    assert sandbox.numbers(model) == [5, 3, 1]
    assert [failed["reference"] for failed in caught.value.report["failed"]] == [f"{model}:1", f"{model}:3"]
    assert "pinned" in str(caught.value)
    network.instead.clear()
    prune(numbered, ModelReference.parse(model), RetentionPolicy(keep_last=1))
    assert sandbox.numbers(model) == [5]


def test_a_listing_that_breaks_off_deletes_nothing(sandbox: Any, numbered: Versions, network: Meddling) -> None:
    model = sandbox.new_model(versions=60)
    first = numbered.list(*model.split("/"), {"page_size": 50})
    query = str(httpx.QueryParams({"page_size": 50, "cursor": first.next_cursor or ""}))
    network.instead["GET", f"versions{query}"] = httpx.ReadError("eof")
    with pytest.raises(ConnectionFailedError):
        prune(numbered, ModelReference.parse(model), RetentionPolicy(keep_last=1))
    assert network.deleted() == []
    assert len(sandbox.numbers(model)) == 60


def test_without_the_services_clock_nothing_is_deleted() -> None:
    def undated(request: httpx.Request) -> httpx.Response:
        assert request.method == "GET"
        versions = [{"number": number, "created_at": "2020-01-01T00:00:00Z"} for number in (2, 1)]
        return httpx.Response(200, json={"items": versions, "next_cursor": None})

    with API(transport=httpx.MockTransport(undated)) as api, pytest.raises(UnplannableError, match="Date header"):
        prune(Versions(api), ModelReference.parse("acme/det"), RetentionPolicy(older_than=timedelta(days=1)))


def test_a_model_that_is_not_there(versions: Versions) -> None:
    with pytest.raises(NotFoundError):
        prune(versions, ModelReference.parse("acme/no-such-model"), RetentionPolicy(keep_last=1))


def test_a_model_without_versions(sandbox: Any, versions: Versions) -> None:
    report = prune(versions, ModelReference.parse(sandbox.new_model()), RetentionPolicy(keep_last=1))
    assert (report["planned"], report["kept"]) == ([], [])


def test_long_work_tells_how_far_it_is(sandbox: Any, numbered: Versions, caplog: pytest.LogCaptureFixture) -> None:
    model = sandbox.new_model(versions=41)
    ticks = itertools.count(step=2.0)
    with caplog.at_level(logging.INFO):
        prune(numbered, ModelReference.parse(model), RetentionPolicy(keep_last=1), clock=lambda: next(ticks))
    progress = [message for message in caplog.messages if "to go" in message]
    assert progress[0] == "5 of 40 done, 0.5 a second, about 70 s to go."
    assert len(progress) == 8
