"""Find versions of a sandbox, in each generation of the API."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime
from typing import Any

import httpx
import pytest

from airflow_provider_wriftai.client.api import API
from airflow_provider_wriftai.client.pagination import PaginatedResponse
from airflow_provider_wriftai.client.references import ModelReference, VersionId, VersionNumber, parse_version
from airflow_provider_wriftai.client.retrying import RetryPolicy
from airflow_provider_wriftai.client.version import VersionRecord
from airflow_provider_wriftai.domain.results import version_result
from airflow_provider_wriftai.domain.sansio import run
from airflow_provider_wriftai.domain.search import Match
from airflow_provider_wriftai.domain.waiting import version_cache
from airflow_provider_wriftai.domain.waiting.criteria import (
    START,
    Criteria,
    ResolvedCriteria,
    Start,
    read_newer_than,
    read_pattern,
)
from airflow_provider_wriftai.domain.waiting.errors import InvalidCriteriaError, VersionGoneError, WaitFailedError
from airflow_provider_wriftai.domain.waiting.matching import find_all, find_newest
from airflow_provider_wriftai.domain.waiting.sync_wait import SyncWait
from airflow_provider_wriftai.domain.waiting.version_cache import VersionCache
from airflow_provider_wriftai.domain.watermark import Age, Watermark
from tests.support.sandbox import Sandbox

Publish = Callable[..., str]


class RecordingTransport(httpx.HTTPTransport):
    """The network, which records the paths of requests."""

    def __init__(self) -> None:
        super().__init__()
        self.paths: list[str] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.paths.append(request.url.path.rpartition("/v1")[2])
        return super().handle_request(request)


@pytest.fixture
def network() -> RecordingTransport:
    return RecordingTransport()


@pytest.fixture
def api(sandbox: Sandbox, generation: int, network: RecordingTransport) -> Any:
    with API(sandbox.base_url(generation), sandbox.token, transport=network, retry=RetryPolicy(attempts=1)) as opened:
        yield opened


@pytest.fixture
def publish(sandbox: Sandbox, generation: int, schemas: Any) -> Publish:
    """Return a function that publishes a version and returns its reference."""

    def create(model: str, notes: str = "x", image: int = 0, **values: Any) -> str:
        version = sandbox.store.create_version(
            *model.split("/"),
            release_notes=notes,
            schemas=schemas,
            container_image_digest=f"sha256:{image:064x}",
            **values,
        )
        return f"{model}:{version.number}" if generation == 2 else str(version.id)

    return create


class Polls:
    """The polls of one wait, one for each call."""

    def __init__(self, api: API, criteria: Criteria) -> None:
        self._api = api
        self.wait = SyncWait(criteria, max_failures=0, began=datetime.now(UTC))

    def __call__(self) -> str | None:
        version = self.wait.poll(self._api)
        return str(version.reference) if version else None


def _model(text: str) -> ModelReference:
    return ModelReference.parse(text)


def test_one_version_is_waited_for(
    sandbox: Sandbox, api: API, publish: Publish, generation: int, network: RecordingTransport
) -> None:
    model = sandbox.new_model()
    first = publish(model)
    wanted = f"{model}:2" if generation == 2 else "unheard-of"
    poll = Polls(api, Criteria(version=parse_version(wanted)))
    assert poll() is None
    assert poll() is None
    assert len(network.paths) == 2  # one request per poll
    assert Polls(api, Criteria(version=parse_version(first)))() == first
    publish(model)
    assert poll() == (wanted if generation == 2 else None)


def test_a_version_newer_than_the_start_is_found(sandbox: Sandbox, api: API, publish: Publish) -> None:
    model = sandbox.new_model(versions=3)
    poll = Polls(api, Criteria(model=_model(model), newer_than=START))
    assert poll() is None
    assert poll() is None
    publish(model)
    newest = publish(model)
    assert poll() == newest


def test_a_wait_may_begin_before_the_model_has_versions_or_exists(sandbox: Sandbox, api: API, publish: Publish) -> None:
    for model in (sandbox.new_model(), f"acme/later-{id(api)}"):
        poll = Polls(api, Criteria(model=_model(model), newer_than=START))
        assert poll() is None
        sandbox.store.add_model(*model.split("/"))
        assert poll() is None
        reference = publish(model)
        assert poll() == reference


def test_a_version_newer_than_a_version_or_a_time_is_found(sandbox: Sandbox, api: API, publish: Publish) -> None:
    model = sandbox.new_model()
    start = datetime(2026, 5, 1, tzinfo=UTC)
    references = [publish(model, created_at=start + timedelta(days=day)) for day in range(4)]
    for than in (references[1], {"reference": references[1]}, start + timedelta(days=1), "2026-05-02T00:00:00Z"):
        criteria = Criteria(model=_model(model), newer_than=read_newer_than(_model(model), than))
        assert Polls(api, criteria)() == references[3]
    for than in (references[3], start + timedelta(days=3)):
        poll = Polls(api, Criteria(model=_model(model), newer_than=read_newer_than(_model(model), than)))
        assert poll() is None
        later = publish(model, created_at=start + timedelta(days=5))
        assert poll() == later
        sandbox.store.delete_version(sandbox.store.versions(*model.split("/"))[0])


def test_a_version_is_found_by_image_and_by_release_notes_and_by_both(
    sandbox: Sandbox, api: API, publish: Publish
) -> None:
    model = sandbox.new_model()
    wanted = publish(model, "release 1", image=1)
    publish(model, "release 2", image=2)
    publish(model, "nightly", image=1)
    digest = f"sha256:{1:064x}"
    assert Polls(api, Criteria(model=_model(model), digest=digest, release_notes=read_pattern("^rel")))() == wanted
    assert Polls(api, Criteria(model=_model(model), digest=f"sha256:{9:064x}"))() is None
    assert Polls(api, Criteria(model=_model(model), release_notes=read_pattern("weekly")))() is None


def test_no_details_are_read_twice(
    sandbox: Sandbox, api: API, publish: Publish, network: RecordingTransport, generation: int
) -> None:
    model = sandbox.new_model(versions=5)
    poll = Polls(api, Criteria(model=_model(model), digest=f"sha256:{1:064x}"))
    for _ in range(3):
        assert poll() is None
    publish(model, image=2)
    assert poll() is None
    assert poll() is None
    details = [path for path in network.paths if not path.endswith("/versions")]
    # Lists of generation 1 contain the image.
    assert len(details) == len(set(details)) == (6 if generation == 2 else 0)


def test_more_new_versions_than_fit_on_a_page_are_searched(sandbox: Sandbox, api: API, publish: Publish) -> None:
    model = sandbox.new_model(versions=2)
    poll = Polls(api, Criteria(model=_model(model), release_notes=read_pattern("wanted"), newer_than=START))
    assert poll() is None
    wanted = publish(model, "wanted")
    for _ in range(120):
        publish(model)
    assert poll() == wanted


def test_the_search_goes_back_as_far_as_newer_than(sandbox: Sandbox, api: API, publish: Publish) -> None:
    model = sandbox.new_model()
    start = datetime(2026, 5, 1, tzinfo=UTC)
    references = [
        publish(model, "wanted" if day == 3 else "x", created_at=start + timedelta(days=day)) for day in range(130)
    ]
    than = read_newer_than(_model(model), references[1])
    criteria = Criteria(model=_model(model), newer_than=than, release_notes=read_pattern("wanted"))
    assert Polls(api, criteria)() == references[3]
    assert Polls(api, Criteria(model=_model(model), release_notes=read_pattern("wanted")))() is None


def test_reading_further_back_hides_nothing_new(sandbox: Sandbox, api: API, publish: Publish) -> None:
    """A version that is published between a poll and the reading back is new to all earlier waits."""
    model = sandbox.new_model(versions=60)
    criteria = Criteria(model=_model(model), newer_than=START)
    cache = VersionCache(_model(model))
    run(api, cache.refresh())
    resolved = run(api, cache.resolve(criteria))
    newest = publish(model)
    long_ago = read_newer_than(_model(model), datetime(2020, 1, 1, tzinfo=UTC))
    assert isinstance(long_ago, Watermark)
    run(api, cache.read_back_to(long_ago))
    assert [str(version.reference) for version in run(api, cache.refresh()) or []] == [newest]
    assert run(api, find_newest(cache, resolved)).versions[0].reference == parse_version(newest)


def test_all_versions_are_found_oldest_first(sandbox: Sandbox, api: API, publish: Publish) -> None:
    model = sandbox.new_model(versions=1)
    cache = VersionCache(_model(model))
    run(api, cache.refresh())
    criteria = run(api, cache.resolve(Criteria(model=_model(model), newer_than=START)))
    references = [publish(model) for _ in range(7)]
    run(api, cache.refresh())
    result = run(api, find_all(cache, criteria))
    assert [str(version.reference) for version in result.versions] == references
    assert not any(result.processed_through.compare(version) is Age.NEWER for version in cache.newest_first)


def test_a_version_that_was_deleted_before_it_was_found_is_skipped(
    sandbox: Sandbox, api: API, publish: Publish
) -> None:
    model = sandbox.new_model(versions=1)
    cache = VersionCache(_model(model))
    run(api, cache.refresh())
    criteria = run(api, cache.resolve(Criteria(model=_model(model), newer_than=START)))
    kept = publish(model)
    publish(model)
    fresh = run(api, cache.refresh())
    sandbox.store.delete_version(sandbox.store.versions(*model.split("/"))[0])
    result = run(api, find_newest(cache, criteria, fresh))
    assert [str(version.reference) for version in result.versions] == [kept]


def test_a_version_that_was_deleted_is_not_returned_again(sandbox: Sandbox, api: API, publish: Publish) -> None:
    model = sandbox.new_model()
    older, newer = publish(model), publish(model)
    for criteria in (
        Criteria(version=parse_version(newer), model=_model(model)),
        Criteria(model=_model(model), release_notes=read_pattern("x")),
    ):
        cache = VersionCache(_model(model) if criteria.version is None else criteria.target)
        run(api, cache.refresh())
        assert run(api, find_newest(cache, ResolvedCriteria(criteria))).versions[0].reference == parse_version(newer)
    sandbox.store.delete_version(sandbox.store.versions(*model.split("/"))[0])
    run(api, cache.refresh())
    assert run(api, find_newest(cache, ResolvedCriteria(criteria))).versions[0].reference == parse_version(older)


class LaggingService(httpx.BaseTransport):
    """A service whose details lag behind its list, or whose list lacks versions."""

    def __init__(self, start: datetime) -> None:
        self.start = start
        self.listed = [1]
        self.without_details: set[int] = set()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        headers = {"date": format_datetime(self.start + timedelta(seconds=5), usegmt=True)}
        if request.url.path.endswith("/versions"):
            items = [self._version(number) for number in sorted(self.listed, reverse=True)]
            return httpx.Response(200, json={"items": items, "next_cursor": None}, headers=headers)
        number = int(request.url.path.rpartition("/")[2])
        exists = number in self.listed and number not in self.without_details
        return httpx.Response(200 if exists else 404, json=self._version(number), headers=headers)

    def _version(self, number: int) -> dict[str, Any]:
        created_at = (self.start if number > 1 else self.start - timedelta(days=1)).isoformat()
        return {"number": number, "release_notes": "x", "created_at": created_at}


@pytest.fixture
def lagging() -> tuple[API, LaggingService, VersionCache, ResolvedCriteria]:
    service = LaggingService(datetime(2026, 5, 1, tzinfo=UTC))
    api = API(transport=service, retry=RetryPolicy(attempts=1))
    ticks = itertools.count(step=1.0)
    cache = VersionCache(_model("acme/det"), clock=lambda: next(ticks))
    run(api, cache.refresh())
    criteria = run(api, cache.resolve(Criteria(model=_model("acme/det"), newer_than=START)))
    return api, service, cache, criteria


def test_a_version_that_has_no_details_yet_is_not_skipped(
    lagging: tuple[API, LaggingService, VersionCache, ResolvedCriteria],
) -> None:
    api, service, cache, criteria = lagging
    service.listed, service.without_details = [1, 2, 3], {2}
    for _ in range(3):
        run(api, cache.refresh())
        result = run(api, find_all(cache, criteria))
        assert (result.versions, result.is_complete) == ([], False)
    service.without_details = set()
    run(api, cache.refresh())
    result = run(api, find_all(cache, criteria))
    assert [str(version.reference) for version in result.versions] == ["acme/det:2", "acme/det:3"]
    assert result.is_complete


def test_a_version_that_never_has_details_counts_as_deleted(
    lagging: tuple[API, LaggingService, VersionCache, ResolvedCriteria],
) -> None:
    api, service, cache, criteria = lagging
    service.listed, service.without_details = [1, 2, 3], {2}
    polls = 0
    result = None
    while result is None or not result.is_complete:
        run(api, cache.refresh())
        result = run(api, find_all(cache, criteria))
        polls += 1
        assert polls < 100
    assert [str(version.reference) for version in result.versions] == ["acme/det:3"]


def test_a_lower_number_may_appear_after_a_higher_one(
    lagging: tuple[API, LaggingService, VersionCache, ResolvedCriteria],
) -> None:
    api, service, cache, criteria = lagging
    service.listed = [1, 3]
    run(api, cache.refresh())
    assert run(api, find_all(cache, criteria)).versions == []
    service.listed = [1, 2, 3]
    run(api, cache.refresh())
    result = run(api, find_all(cache, criteria))
    assert [str(version.reference) for version in result.versions] == ["acme/det:2", "acme/det:3"]


def test_a_number_that_is_listed_is_not_taken_for_deleted(
    lagging: tuple[API, LaggingService, VersionCache, ResolvedCriteria],
) -> None:
    api, service, cache, _ = lagging
    service.start -= timedelta(days=2)
    service.listed, service.without_details = [1, 2, 3], {2}
    run(api, cache.refresh())
    one_version = ResolvedCriteria(Criteria(version=parse_version("acme/det:2")))
    assert run(api, find_newest(cache, one_version)).versions == []
    service.without_details = set()
    run(api, cache.refresh())
    assert run(api, find_newest(cache, one_version)).versions[0].reference == parse_version("acme/det:2")


def test_a_model_that_was_created_again_starts_over(
    lagging: tuple[API, LaggingService, VersionCache, ResolvedCriteria],
) -> None:
    api, service, cache, _ = lagging
    service.listed = [4, 5, 6]
    run(api, cache.refresh())
    service.listed = [1]
    assert run(api, cache.refresh()) is None
    assert [version.number for version in cache.newest_first] == [1]


def test_a_number_that_was_deleted_never_exists_again(sandbox: Sandbox, publish: Publish, generation: int) -> None:
    if generation == 1:
        pytest.skip("an id says nothing of others")
    model = sandbox.new_model(versions=3)
    sandbox.delete(model, 2)
    with API(sandbox.base_url(2), sandbox.token) as api:
        with pytest.raises(VersionGoneError, match=rf"{model}:2 does not exist and never will: .*{model}:3"):
            Polls(api, Criteria(version=parse_version(f"{model}:2")))()
        assert Polls(api, Criteria(version=parse_version(f"{model}:4")))() is None
    # The versions were only just created, so a lower number may still appear.
    young = sandbox.new_model()
    for _ in range(2):
        publish(young)
    sandbox.delete(young, 1)
    with API(sandbox.base_url(2), sandbox.token) as api:
        assert Polls(api, Criteria(version=parse_version(f"{young}:1")))() is None


def test_names_of_the_other_kind_are_refused(sandbox: Sandbox, api: API, generation: int) -> None:
    model = sandbox.new_model(versions=2)
    if generation == 2:
        with pytest.raises(InvalidCriteriaError, match="which does not exist"):
            Polls(api, Criteria(model=_model(model), newer_than=VersionId("some-id")))()
        return
    with pytest.raises(InvalidCriteriaError, match="names versions by id"):
        Polls(api, Criteria(version=parse_version(f"{model}:2")))()
    with pytest.raises(InvalidCriteriaError, match="names versions by id"):
        Polls(api, Criteria(model=_model(model), newer_than=read_newer_than(_model(model), 1)))()


def test_a_poll_that_fails_halfway_is_repeated_completely(sandbox: Sandbox, publish: Publish, generation: int) -> None:
    model = sandbox.new_model(versions=2)

    class Breaking(RecordingTransport):
        breaks = False

        def handle_request(self, request: httpx.Request) -> httpx.Response:
            if self.breaks and "cursor" in request.url.query.decode():
                raise httpx.ReadError("broke")
            return super().handle_request(request)

    network = Breaking()
    with API(sandbox.base_url(generation), sandbox.token, transport=network, retry=RetryPolicy(attempts=1)) as api:
        poll = Polls(api, Criteria(model=_model(model), newer_than=START, release_notes=read_pattern("wanted")))
        assert poll() is None
        wanted = publish(model, "wanted")
        for _ in range(60):
            publish(model)
        network.breaks = True
        with pytest.raises(WaitFailedError, match="broke"):
            poll()
        network.breaks = False
        assert poll() == wanted


def test_the_status_describes_the_model(sandbox: Sandbox, api: API) -> None:
    model = sandbox.new_model()
    poll = Polls(api, Criteria(model=_model(model), newer_than=START))
    assert poll.wait.status == f"{model} has not been polled yet."
    poll()
    assert poll.wait.status == f"{model} has no versions."


def test_the_start_may_lie_before_the_first_poll(sandbox: Sandbox, api: API, publish: Publish) -> None:
    """A wait that began in another process finds what was published since, and not what existed before."""
    model = sandbox.new_model()
    now = datetime.now(UTC)
    references = [publish(model, created_at=now - timedelta(seconds=age)) for age in (300, 200, 100, 10)]
    for age, found in ((400, references[3]), (250, references[3]), (50, references[3]), (5, None)):
        poll = Polls(api, Criteria(model=_model(model), newer_than=Start(now - timedelta(seconds=age))))
        assert poll() == found
    since = Criteria(
        model=_model(model), newer_than=Start(now - timedelta(seconds=250)), release_notes=read_pattern("x")
    )
    cache = VersionCache(_model(model))
    run(api, cache.refresh())
    resolved = run(api, cache.resolve(since))
    found_all = run(api, find_all(cache, resolved)).versions
    assert [str(version.reference) for version in found_all] == references[1:]


DATE = datetime(2026, 1, 1, 0, 0, 11, tzinfo=UTC)


def _newer_than_start(created_at: datetime, *, date: datetime, elapsed: float, has_own_poll: bool = False) -> bool:
    """Return whether a version counts as newer than the start of a wait that began some time ago.

    Either an earlier process or a failed poll knows of the begin, or the first poll has taken that long.
    """
    model = _model("acme/det")
    version = VersionRecord(VersionNumber(model, 1), created_at)
    cache = VersionCache(model)
    poll = cache.refresh()
    next(poll)
    with pytest.raises(StopIteration):
        poll.send(PaginatedResponse([version], None, None, served_at=date))
    start = START if has_own_poll else Start(datetime.now(UTC) - timedelta(seconds=elapsed))
    with pytest.raises(StopIteration) as stop:
        next(cache.resolve(Criteria(model=model, newer_than=start), time.monotonic() - elapsed))
    resolved: ResolvedCriteria = stop.value.value
    return resolved.match(version) is Match.YES


@pytest.mark.parametrize("fraction", [0.0, 0.3, 0.6, 0.999])
def test_a_version_of_the_first_second_of_a_wait_is_newer(fraction: float) -> None:
    # The service responds at this fraction of the second that its Date header states.
    for elapsed in (0.1, 0.5, 0.9, 1.5):
        began = DATE + timedelta(seconds=fraction - elapsed)
        assert _newer_than_start(began + timedelta(milliseconds=1), date=DATE, elapsed=elapsed)
        assert not _newer_than_start(began - timedelta(seconds=2.5, milliseconds=1), date=DATE, elapsed=elapsed)


def test_a_version_that_is_published_during_a_slow_first_poll_is_newer() -> None:
    began = DATE - timedelta(seconds=14)
    for seconds, is_newer in ((6, True), (5.1, True), (0.5, False), (0, False), (-1, False), (-0.001, False)):
        created_at = began + timedelta(seconds=seconds)
        assert _newer_than_start(created_at, date=DATE, elapsed=14, has_own_poll=True) is is_newer
    # A fast poll proves nothing.
    assert not _newer_than_start(DATE + timedelta(seconds=0.5), date=DATE, elapsed=0.1, has_own_poll=True)


def test_a_time_of_creation_without_a_fraction_may_be_truncated() -> None:
    # The wait begins at 10.9 by the service's clock, the version is created at 10.95, and the response comes at 11.05.
    assert _newer_than_start(DATE - timedelta(seconds=1), date=DATE, elapsed=0.15)
    assert not _newer_than_start(DATE - timedelta(seconds=3), date=DATE, elapsed=0.15)


@pytest.mark.parametrize("year", [1, 9999])
def test_any_date_header_allows_a_start_before_the_first_poll(year: int) -> None:
    for offset in (-23, 23):
        date = datetime(
            year, 1 if year == 1 else 12, 1 if year == 1 else 31, 12, tzinfo=timezone(timedelta(hours=offset))
        )
        assert _newer_than_start(DATE, date=date, elapsed=10**9) is (year == 1)


def test_only_what_decisions_need_is_kept(
    sandbox: Sandbox, api: API, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(version_cache, "MOST_TEXT", 5000)
    model = sandbox.new_model()
    wanted = publish(model, "wanted")
    for _ in range(20):
        publish(model, "x" * 1000)
    poll = Polls(api, Criteria(model=_model(model), release_notes=read_pattern("wanted")))
    assert poll() == wanted
    cache = poll.wait._cache
    kept = [*cache.newest_first, *cache._details.values()]
    assert all(set(version.body) <= {"size"} for version in kept)
    assert sum(len(version.release_notes or "") for version in cache.newest_first) <= 5000
    assert sum(len(version.release_notes or "") for version in cache._details.values()) <= 5000
    assert cache._details_text == sum(len(version.release_notes or "") for version in cache._details.values())


def test_every_mode_returns_the_same(sandbox: Sandbox, api: API, publish: Publish) -> None:
    """Whether the version was named, found in a list, or found by its details."""
    model = sandbox.new_model()
    reference = publish(model, "wanted", image=3)
    criteria = [
        Criteria(version=parse_version(reference)),
        Criteria(model=_model(model), release_notes=read_pattern("wanted")),
        Criteria(model=_model(model), digest=f"sha256:{3:064x}"),
    ]
    results = []
    for each in criteria:
        version = SyncWait(each, max_failures=0, began=datetime.now(UTC)).poll(api)
        assert version is not None
        results.append(json.dumps(version_result(version)))
    assert len(set(results)) == 1
