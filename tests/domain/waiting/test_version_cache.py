"""Looking for versions in a sandbox, in each generation of the API."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import pytest

from airflow_provider_wriftai.client.api import API
from airflow_provider_wriftai.client.references import ModelReference, VersionId, parse_version
from airflow_provider_wriftai.client.retrying import RetryPolicy
from airflow_provider_wriftai.domain.results import version_result
from airflow_provider_wriftai.domain.sansio import run
from airflow_provider_wriftai.domain.waiting import version_cache
from airflow_provider_wriftai.domain.waiting.criteria import (
    START,
    Criteria,
    ResolvedCriteria,
    Start,
    read_newer_than,
    read_pattern,
)
from airflow_provider_wriftai.domain.waiting.errors import InvalidCriteriaError, NeverThereError, WaitFailedError
from airflow_provider_wriftai.domain.waiting.matching import find_all, find_newest
from airflow_provider_wriftai.domain.waiting.sync_wait import SyncWait
from airflow_provider_wriftai.domain.waiting.version_cache import VersionCache
from airflow_provider_wriftai.domain.watermark import Age, Watermark
from tests.support.sandbox import Sandbox

Publish = Callable[..., str]


class Counting(httpx.HTTPTransport):
    """The network, which counts what is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.url.path.rpartition("/v1")[2])
        return super().handle_request(request)


@pytest.fixture
def network() -> Counting:
    return Counting()


@pytest.fixture
def api(sandbox: Sandbox, generation: int, network: Counting) -> Any:
    with API(sandbox.base_url(generation), sandbox.token, transport=network, retry=RetryPolicy(attempts=1)) as opened:
        yield opened


@pytest.fixture
def publish(sandbox: Sandbox, generation: int, schemas: Any) -> Publish:
    """Publish a version; gives how it is named."""

    def create(model: str, notes: str = "x", image: int = 0, **values: Any) -> str:
        made = sandbox.store.create_version(
            *model.split("/"),
            release_notes=notes,
            schemas=schemas,
            container_image_digest=f"sha256:{image:064x}",
            **values,
        )
        return f"{model}:{made.number}" if generation == 2 else str(made.id)

    return create


class Looking:
    """Looks, one after the other."""

    def __init__(self, api: API, condition: Criteria) -> None:
        self._api = api
        self.wait = SyncWait(condition, max_failures=0, began=datetime.now(UTC))

    def __call__(self) -> str | None:
        version = self.wait.poll(self._api)
        return str(version.reference) if version else None


def _model(text: str) -> ModelReference:
    return ModelReference.parse(text)


def test_a_given_version(sandbox: Sandbox, api: API, publish: Publish, generation: int, network: Counting) -> None:
    model = sandbox.new_model()
    first = publish(model)
    given = f"{model}:2" if generation == 2 else "unheard-of"
    looking = Looking(api, Criteria(version=parse_version(given)))
    assert looking() is None
    assert looking() is None
    assert len(network.asked) == 2  # one request a look
    assert Looking(api, Criteria(version=parse_version(first)))() == first
    publish(model)
    assert looking() == (given if generation == 2 else None)


def test_newer_than_the_start(sandbox: Sandbox, api: API, publish: Publish) -> None:
    model = sandbox.new_model(versions=3)
    looking = Looking(api, Criteria(model=_model(model), newer_than=START))
    assert looking() is None
    assert looking() is None
    publish(model)
    newest = publish(model)
    assert looking() == newest


def test_the_start_of_a_model_without_versions_and_of_one_that_is_not_there(
    sandbox: Sandbox, api: API, publish: Publish
) -> None:
    for model in (sandbox.new_model(), f"acme/later-{id(api)}"):
        looking = Looking(api, Criteria(model=_model(model), newer_than=START))
        assert looking() is None
        sandbox.store.add_model(*model.split("/"))
        assert looking() is None
        made = publish(model)
        assert looking() == made


def test_newer_than_a_version_and_than_a_time(sandbox: Sandbox, api: API, publish: Publish) -> None:
    model = sandbox.new_model()
    born = datetime(2026, 5, 1, tzinfo=UTC)
    made = [publish(model, created_at=born + timedelta(days=day)) for day in range(4)]
    for than in (made[1], {"reference": made[1]}, born + timedelta(days=1), "2026-05-02T00:00:00Z"):
        condition = Criteria(model=_model(model), newer_than=read_newer_than(_model(model), than))
        assert Looking(api, condition)() == made[3]
    for than in (made[3], born + timedelta(days=3)):
        looking = Looking(api, Criteria(model=_model(model), newer_than=read_newer_than(_model(model), than)))
        assert looking() is None
        later = publish(model, created_at=born + timedelta(days=5))
        assert looking() == later
        sandbox.store.delete_version(sandbox.store.versions(*model.split("/"))[0])


def test_by_image_and_by_release_notes_and_both(sandbox: Sandbox, api: API, publish: Publish) -> None:
    model = sandbox.new_model()
    wanted = publish(model, "release 1", image=1)
    publish(model, "release 2", image=2)
    publish(model, "nightly", image=1)
    digest = f"sha256:{1:064x}"
    assert Looking(api, Criteria(model=_model(model), digest=digest, release_notes=read_pattern("^rel")))() == wanted
    assert Looking(api, Criteria(model=_model(model), digest=f"sha256:{9:064x}"))() is None
    assert Looking(api, Criteria(model=_model(model), release_notes=read_pattern("weekly")))() is None


def test_no_details_are_read_twice(
    sandbox: Sandbox, api: API, publish: Publish, network: Counting, generation: int
) -> None:
    model = sandbox.new_model(versions=5)
    looking = Looking(api, Criteria(model=_model(model), digest=f"sha256:{1:064x}"))
    for _ in range(3):
        assert looking() is None
    publish(model, image=2)
    assert looking() is None
    assert looking() is None
    details = [path for path in network.asked if not path.endswith("/versions")]
    # Lists of generation 1 tell the image.
    assert len(details) == len(set(details)) == (6 if generation == 2 else 0)


def test_more_that_is_new_than_fits_a_page(sandbox: Sandbox, api: API, publish: Publish, network: Counting) -> None:
    model = sandbox.new_model(versions=2)
    looking = Looking(api, Criteria(model=_model(model), release_notes=read_pattern("wanted"), newer_than=START))
    assert looking() is None
    wanted = publish(model, "wanted")
    for _ in range(120):
        publish(model)
    assert looking() == wanted


def test_as_far_back_as_is_asked_for(sandbox: Sandbox, api: API, publish: Publish) -> None:
    model = sandbox.new_model()
    born = datetime(2026, 5, 1, tzinfo=UTC)
    made = [publish(model, "wanted" if day == 3 else "x", created_at=born + timedelta(days=day)) for day in range(130)]
    than = read_newer_than(_model(model), made[1])
    condition = Criteria(model=_model(model), newer_than=than, release_notes=read_pattern("wanted"))
    assert Looking(api, condition)() == made[3]
    assert Looking(api, Criteria(model=_model(model), release_notes=read_pattern("wanted")))() is None


def test_reading_further_back_hides_nothing_new(sandbox: Sandbox, api: API, publish: Publish) -> None:
    """What is published between a look and the reading back is news for all that had looked before."""
    model = sandbox.new_model(versions=60)
    condition = Criteria(model=_model(model), newer_than=START)
    listing = VersionCache(_model(model))
    run(api, listing.refresh())
    resolved = run(api, listing.resolve(condition))
    newest = publish(model)
    long_ago = read_newer_than(_model(model), datetime(2020, 1, 1, tzinfo=UTC))
    assert isinstance(long_ago, Watermark)
    run(api, listing.read_back_to(long_ago))
    assert [str(version.reference) for version in run(api, listing.refresh()) or []] == [newest]
    assert run(api, find_newest(listing, resolved)).versions[0].reference == parse_version(newest)


def test_every_version_the_oldest_first(sandbox: Sandbox, api: API, publish: Publish) -> None:
    model = sandbox.new_model(versions=1)
    listing = VersionCache(_model(model))
    run(api, listing.refresh())
    condition = run(api, listing.resolve(Criteria(model=_model(model), newer_than=START)))
    made = [publish(model) for _ in range(7)]
    run(api, listing.refresh())
    sought = run(api, find_all(listing, condition))
    assert [str(version.reference) for version in sought.versions] == made
    assert not any(sought.processed_through.compare(summary) is Age.NEWER for summary in listing.newest_first)


def test_a_version_that_was_deleted_before_it_was_found(sandbox: Sandbox, api: API, publish: Publish) -> None:
    model = sandbox.new_model(versions=1)
    listing = VersionCache(_model(model))
    run(api, listing.refresh())
    condition = run(api, listing.resolve(Criteria(model=_model(model), newer_than=START)))
    kept = publish(model)
    publish(model)
    fresh = run(api, listing.refresh())
    sandbox.store.delete_version(sandbox.store.versions(*model.split("/"))[0])
    sought = run(api, find_newest(listing, condition, fresh))
    assert [str(version.reference) for version in sought.versions] == [kept]


def test_a_version_that_was_deleted_is_not_handed_out_any_more(sandbox: Sandbox, api: API, publish: Publish) -> None:
    model = sandbox.new_model()
    older, newer = publish(model), publish(model)
    for condition in (
        Criteria(version=parse_version(newer), model=_model(model)),
        Criteria(model=_model(model), release_notes=read_pattern("x")),
    ):
        listing = VersionCache(_model(model) if condition.version is None else condition.target)
        run(api, listing.refresh())
        assert run(api, find_newest(listing, ResolvedCriteria(condition))).versions[0].reference == parse_version(newer)
    sandbox.store.delete_version(sandbox.store.versions(*model.split("/"))[0])
    run(api, listing.refresh())
    assert run(api, find_newest(listing, ResolvedCriteria(condition))).versions[0].reference == parse_version(older)


class Hiding(httpx.BaseTransport):
    """A service that lists versions before it tells of them, or hides some from the list."""

    def __init__(self, born: datetime) -> None:
        self.born = born
        self.listed = [1]
        self.unknown_digest: set[int] = set()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        headers = {"date": format_datetime(self.born + timedelta(seconds=5), usegmt=True)}
        if request.url.path.endswith("/versions"):
            items = [self._version(number) for number in sorted(self.listed, reverse=True)]
            return httpx.Response(200, json={"items": items, "next_cursor": None}, headers=headers)
        number = int(request.url.path.rpartition("/")[2])
        told = number in self.listed and number not in self.unknown_digest
        return httpx.Response(200 if told else 404, json=self._version(number), headers=headers)

    def _version(self, number: int) -> dict[str, Any]:
        created_at = (self.born if number > 1 else self.born - timedelta(days=1)).isoformat()
        return {"number": number, "release_notes": "x", "created_at": created_at}


@pytest.fixture
def hiding() -> tuple[API, Hiding, VersionCache, ResolvedCriteria]:
    service = Hiding(datetime(2026, 5, 1, tzinfo=UTC))
    api = API(transport=service, retry=RetryPolicy(attempts=1))
    ticks = itertools.count(step=1.0)
    listing = VersionCache(_model("acme/det"), clock=lambda: next(ticks))
    run(api, listing.refresh())
    condition = run(api, listing.resolve(Criteria(model=_model("acme/det"), newer_than=START)))
    return api, service, listing, condition


def test_a_version_of_which_nothing_is_told_yet_is_not_passed_over(
    hiding: tuple[API, Hiding, VersionCache, ResolvedCriteria],
) -> None:
    api, service, listing, condition = hiding
    service.listed, service.unknown_digest = [1, 2, 3], {2}
    for _ in range(3):
        run(api, listing.refresh())
        sought = run(api, find_all(listing, condition))
        assert (sought.versions, sought.is_complete) == ([], False)
    service.unknown_digest = set()
    run(api, listing.refresh())
    sought = run(api, find_all(listing, condition))
    assert [str(version.reference) for version in sought.versions] == ["acme/det:2", "acme/det:3"]
    assert sought.is_complete


def test_a_version_that_stays_untold_was_deleted(hiding: tuple[API, Hiding, VersionCache, ResolvedCriteria]) -> None:
    api, service, listing, condition = hiding
    service.listed, service.unknown_digest = [1, 2, 3], {2}
    looks = 0
    sought = None
    while sought is None or not sought.is_complete:
        run(api, listing.refresh())
        sought = run(api, find_all(listing, condition))
        looks += 1
        assert looks < 100
    assert [str(version.reference) for version in sought.versions] == ["acme/det:3"]


def test_a_lower_number_may_come_to_be_seen_after_a_higher_one(
    hiding: tuple[API, Hiding, VersionCache, ResolvedCriteria],
) -> None:
    api, service, listing, condition = hiding
    service.listed = [1, 3]
    run(api, listing.refresh())
    assert run(api, find_all(listing, condition)).versions == []
    service.listed = [1, 2, 3]
    run(api, listing.refresh())
    sought = run(api, find_all(listing, condition))
    assert [str(version.reference) for version in sought.versions] == ["acme/det:2", "acme/det:3"]


def test_a_number_that_is_listed_is_not_taken_for_deleted(
    hiding: tuple[API, Hiding, VersionCache, ResolvedCriteria],
) -> None:
    api, service, listing, _ = hiding
    service.born -= timedelta(days=2)
    service.listed, service.unknown_digest = [1, 2, 3], {2}
    run(api, listing.refresh())
    given = ResolvedCriteria(Criteria(version=parse_version("acme/det:2")))
    assert run(api, find_newest(listing, given)).versions == []
    service.unknown_digest = set()
    run(api, listing.refresh())
    assert run(api, find_newest(listing, given)).versions[0].reference == parse_version("acme/det:2")


def test_a_model_that_was_made_again_counts_anew(hiding: tuple[API, Hiding, VersionCache, ResolvedCriteria]) -> None:
    api, service, listing, _ = hiding
    service.listed = [4, 5, 6]
    run(api, listing.refresh())
    service.listed = [1]
    assert run(api, listing.refresh()) is None
    assert [summary.number for summary in listing.newest_first] == [1]


def test_a_number_that_was_deleted_will_never_be_there(sandbox: Sandbox, publish: Publish, generation: int) -> None:
    if generation == 1:
        pytest.skip("an id says nothing of others")
    model = sandbox.new_model(versions=3)
    sandbox.delete(model, 2)
    with API(sandbox.base_url(2), sandbox.token) as api:
        with pytest.raises(NeverThereError, match=rf"{model}:2 does not exist and never will: .*{model}:3"):
            Looking(api, Criteria(version=parse_version(f"{model}:2")))()
        assert Looking(api, Criteria(version=parse_version(f"{model}:4")))() is None
    # Only just created: a lower number may still come to be seen.
    young = sandbox.new_model()
    for _ in range(2):
        publish(young)
    sandbox.delete(young, 1)
    with API(sandbox.base_url(2), sandbox.token) as api:
        assert Looking(api, Criteria(version=parse_version(f"{young}:1")))() is None


def test_names_of_the_other_kind_are_a_mistake(sandbox: Sandbox, api: API, publish: Publish, generation: int) -> None:
    model = sandbox.new_model(versions=2)
    if generation == 2:
        with pytest.raises(InvalidCriteriaError, match="which does not exist"):
            Looking(api, Criteria(model=_model(model), newer_than=VersionId("some-id")))()
        return
    with pytest.raises(InvalidCriteriaError, match="names versions by id"):
        Looking(api, Criteria(version=parse_version(f"{model}:2")))()
    with pytest.raises(InvalidCriteriaError, match="names versions by id"):
        Looking(api, Criteria(model=_model(model), newer_than=read_newer_than(_model(model), 1)))()


def test_a_look_that_fails_half_way_leaves_nothing_half_seen(
    sandbox: Sandbox, publish: Publish, generation: int, schemas: Any
) -> None:
    model = sandbox.new_model(versions=2)

    class Breaking(Counting):
        breaks = False

        def handle_request(self, request: httpx.Request) -> httpx.Response:
            if self.breaks and "cursor" in request.url.query.decode():
                raise httpx.ReadError("broke")
            return super().handle_request(request)

    network = Breaking()
    with API(sandbox.base_url(generation), sandbox.token, transport=network, retry=RetryPolicy(attempts=1)) as api:
        looking = Looking(api, Criteria(model=_model(model), newer_than=START, release_notes=read_pattern("wanted")))
        assert looking() is None
        wanted = publish(model, "wanted")
        for _ in range(60):
            publish(model)
        network.breaks = True
        with pytest.raises(WaitFailedError, match="broke"):
            looking()
        network.breaks = False
        assert looking() == wanted


def test_it_says_how_things_stand(sandbox: Sandbox, api: API) -> None:
    model = sandbox.new_model()
    looking = Looking(api, Criteria(model=_model(model), newer_than=START))
    assert looking.wait.status == f"The service does not know {model}."
    looking()
    assert looking.wait.status == f"{model} has no versions."


def test_the_start_may_lie_before_the_first_poll(sandbox: Sandbox, api: API, publish: Publish) -> None:
    """A wait that began in another process finds what was published since, and not what existed before."""
    model = sandbox.new_model()
    now = datetime.now(UTC)
    made = [publish(model, created_at=now - timedelta(seconds=age)) for age in (300, 200, 100, 10)]
    for age, found in ((400, made[3]), (250, made[3]), (50, made[3]), (5, None)):
        polling = Looking(api, Criteria(model=_model(model), newer_than=Start(now - timedelta(seconds=age))))
        assert polling() == found
    since = Criteria(
        model=_model(model), newer_than=Start(now - timedelta(seconds=250)), release_notes=read_pattern("x")
    )
    cache = VersionCache(_model(model))
    run(api, cache.refresh())
    resolved = run(api, cache.resolve(since))
    found_all = run(api, find_all(cache, resolved)).versions
    assert [str(version.reference) for version in found_all] == made[1:]


def test_nothing_but_what_decisions_need_is_kept(
    sandbox: Sandbox, api: API, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(version_cache, "MOST_TEXT", 5000)
    model = sandbox.new_model()
    wanted = publish(model, "wanted")
    for _ in range(20):
        publish(model, "x" * 1000)
    polling = Looking(api, Criteria(model=_model(model), release_notes=read_pattern("wanted")))
    assert polling() == wanted
    cache = polling.wait._cache
    kept = [*cache.newest_first, *cache._details.values()]
    assert all(set(version.body) <= {"size"} for version in kept)
    assert sum(len(version.release_notes or "") for version in cache.newest_first) <= 5000
    assert sum(len(version.release_notes or "") for version in cache._details.values()) <= 5000
    assert cache._details_text == sum(len(version.release_notes or "") for version in cache._details.values())


def test_every_mode_returns_the_same(sandbox: Sandbox, api: API, publish: Publish) -> None:
    """Whether a version was given, found in a list, or by its details."""
    model = sandbox.new_model()
    made = publish(model, "wanted", image=3)
    criteria = [
        Criteria(version=parse_version(made)),
        Criteria(model=_model(model), release_notes=read_pattern("wanted")),
        Criteria(model=_model(model), digest=f"sha256:{3:064x}"),
    ]
    results = []
    for each in criteria:
        version = SyncWait(each, max_failures=0, began=datetime.now(UTC)).poll(api)
        assert version is not None
        results.append(json.dumps(version_result(version)))
    assert len(set(results)) == 1
