"""Results and events pass unchanged through Airflow's serialization, whatever the service responds."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from datetime import UTC, datetime
from email.utils import format_datetime
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import MagicMock

import httpx
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from airflow_provider_wriftai._airflow.compat import AirflowFailException
from airflow_provider_wriftai._airflow.outlet_events import describe_publish
from airflow_provider_wriftai.assets.models import model_asset
from airflow_provider_wriftai.client.api import API
from airflow_provider_wriftai.client.errors import WriftAIError
from airflow_provider_wriftai.client.json_body import parse_json
from airflow_provider_wriftai.client.references import ModelReference, parse_version
from airflow_provider_wriftai.client.retrying import RetryPolicy
from airflow_provider_wriftai.client.version import VersionRecord
from airflow_provider_wriftai.domain.publishing.outcome import PublishOutcome, PublishResult
from airflow_provider_wriftai.domain.waiting import poll_interval
from airflow_provider_wriftai.domain.waiting.criteria import Criteria, read_newer_than
from airflow_provider_wriftai.hooks.wriftai import WriftAIHook
from airflow_provider_wriftai.operators.cleanup import WriftAICleanupVersionsOperator
from airflow_provider_wriftai.operators.models import WriftAIListModelsOperator
from airflow_provider_wriftai.operators.versions import (
    WriftAICreateVersionOperator,
    WriftAIDeleteVersionOperator,
    WriftAIGetVersionOperator,
    WriftAIUpdateVersionConfigurationOperator,
)
from airflow_provider_wriftai.sensors.versions import WriftAIVersionSensor
from airflow_provider_wriftai.triggers.published import WriftAIVersionPublishedTrigger
from airflow_provider_wriftai.triggers.versions import WriftAIVersionTrigger
from tests.support.airflow_serialization import round_trip_asset_event, round_trip_event, round_trip_xcom

DIGEST = "sha256:" + "ab" * 32
RESERVED = ["__classname__", "__id__", "__version__", "__data__", "__type", "__var", "__source", "__serialized_object"]
LARGEST_RESULT = 20_000
"""The most characters in the JSON of a result without schemas and lists."""

ASSET = {"__type": "airflow.sdk.definitions.asset.Asset", "__var": {"name": "a", "uri": "a", "group": "a", "extra": {}}}
MODULE = {"__type": "os.path", "__var": {}}
DATASET = {"__classname__": "airflow.datasets.Dataset", "__version__": 1, "__data__": {"uri": "a", "extra": None}}


def _nested(value: Any, levels: int) -> str:
    return f"{_DEEP}{levels}:{json.dumps(value)}"


_DEEP = "(nested) "


hostile = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(alphabet=st.characters(), max_size=8)
    | st.sampled_from([ASSET, MODULE, DATASET, "airflow.sdk.definitions.asset.Asset", "x" * 100_000, "\ud800", "\0"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(RESERVED) | st.text(max_size=5), inner, max_size=3)
        | st.builds(_nested, inner, st.sampled_from([60, 150, 600, 5000]))
    ),
    max_leaves=6,
)
"""JSON values, and values that only Python writes as JSON."""

FIELDS = ("release_notes", "created_at", "size", "configuration", "compatibilities", "owner", "model", "anything")
foreign = st.fixed_dictionaries(
    {"schemas": hostile}, optional={**dict.fromkeys(FIELDS, hostile), **dict.fromkeys(RESERVED, hostile)}
)
"""The fields of a version that do not identify it."""

examples = settings(max_examples=25, suppress_health_check=list(HealthCheck), deadline=None)


def _write(value: Any) -> str:
    """Return a value as JSON, which may be nested deeper than Python's encoder allows."""
    match value:
        case str() if value.startswith(_DEEP):
            levels, _, inner = value.removeprefix(_DEEP).partition(":")
            return '{"a":[' * int(levels) + inner + "]}" * int(levels)
        case dict():
            return "{" + ",".join(f"{json.dumps(key)}:{_write(each)}" for key, each in value.items()) + "}"
        case list():
            return "[" + ",".join(map(_write, value)) + "]"
        case _:
            return json.dumps(value)


class HostileService:
    """Responds with valid references and arbitrary other fields.

    Attributes:
        foreign: The fields of versions, models, and configurations beside their names.
        is_numbered: Whether versions have numbers, as in generation 2.
    """

    def __init__(self) -> None:
        self.foreign: dict[str, Any] = {}
        self.is_numbered = True
        self.created = "2026-01-02T00:00:00+00:00"

    def version(self, number: int) -> dict[str, Any]:
        own = {"number": number} if self.is_numbered else {"id": f"v-{number}"}
        known = {
            "release_notes": "x",
            "created_at": self.created.replace("02T", f"0{number}T"),
            "container_image_digest": DIGEST,
        }
        return {**known, **(self.foreign if number == 2 else {}), **own}

    def __call__(self, request: httpx.Request) -> httpx.Response:
        body = self.body(request)
        headers = {"date": format_datetime(datetime.now(UTC), usegmt=True)}
        if body is None:
            return httpx.Response(204, headers=headers)
        return httpx.Response(200, content=_write(body).encode(), headers=headers)

    def body(self, request: httpx.Request) -> Any:
        path = request.url.path
        if request.method == "DELETE":
            return None
        if request.method == "POST":
            return self.version(2)
        if path.endswith("/configuration"):
            # The client has to check the types of the two fields.
            value = self.foreign.get("configuration")
            return {"hardware_identifier": value, "variable_names": ["A", value], **self.foreign}
        if path.endswith("/versions"):
            return {**self.foreign, "items": [self.version(2), self.version(1)], "next_cursor": None}
        if path.endswith("/models/acme"):
            return {**self.foreign, "items": [{**self.foreign, "name": "m", "owner": "acme"}], "next_cursor": None}
        return self.version(int(path[-1]))

    def open(self, _: object = None) -> API:
        transport = httpx.MockTransport(self)
        return API(
            "https://h.example/v1", "t0ken", transport=transport, async_transport=transport,
            retry=RetryPolicy(attempts=1), rate_limit_sharing="off",
        )  # fmt: skip

    async def aopen(self, _: object = None) -> API:
        return self.open()


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> HostileService:
    service = HostileService()
    monkeypatch.setattr(WriftAIHook, "get_conn", service.open)
    monkeypatch.setattr(WriftAIHook, "aget_conn", service.aopen)
    monkeypatch.setattr(poll_interval, "SHORTEST_INTERVAL", 0.0)
    return service


def _reference(service: HostileService, number: int) -> str:
    return f"acme/m:{number}" if service.is_numbered else f"v-{number}"


def _create(service: HostileService, if_exists: Any) -> Any:
    schemas: dict[str, Any] = {"prediction": {"input": {}, "output": {}}}
    arguments: dict[str, Any] = {"model": "acme/m", "image": DIGEST, "release_notes": "x", "schemas": schemas}
    return WriftAICreateVersionOperator(
        task_id="t", if_exists=if_exists, settle_seconds=0, **arguments
    ).execute({})  # fmt: skip


def _poke(service: HostileService, **criteria: Any) -> Any:
    sensor = WriftAIVersionSensor(task_id="t", max_consecutive_failures=0, **criteria)
    return sensor.poke({}).xcom_value


RESULTS: dict[str, Callable[[HostileService], Any]] = {
    "create": lambda service: _create(service, "create"),
    "reuse": lambda service: _create(service, "reuse"),
    "get": lambda service: WriftAIGetVersionOperator(task_id="t", version=_reference(service, 2)).execute({}),
    "get with schemas": lambda service: WriftAIGetVersionOperator(
        task_id="t", version=_reference(service, 2), include_schemas=True
    ).execute({}),
    "delete": lambda service: WriftAIDeleteVersionOperator(task_id="t", version=_reference(service, 2)).execute({}),
    "configure": lambda service: WriftAIUpdateVersionConfigurationOperator(
        task_id="t", version="acme/m:2", hardware_identifier="cpu"
    ).execute({}),
    "models": lambda service: WriftAIListModelsOperator(task_id="t", model_owner="acme").execute({}),
    "prune": lambda service: WriftAICleanupVersionsOperator(task_id="t", model="acme/m", keep_last=1).execute({}),
    "prune, dry": lambda service: WriftAICleanupVersionsOperator(
        task_id="t", model="acme/m", keep_last=1, dry_run=True
    ).execute({}),
    "wait": lambda service: _poke(service, version=_reference(service, 2)),
    "wait on the list": lambda service: _poke(service, model="acme/m", newer_than=_reference(service, 1)),
}


def _check_plain(value: Any, levels: int = 4) -> None:
    assert levels
    match value:
        case dict():
            assert all(type(key) is str and not key.startswith("__") for key in value)
            for each in value.values():
                _check_plain(each, levels - 1)
        case list():
            for each in value:
                _check_plain(each, levels - 1)
        case _:
            assert value is None or type(value) in (bool, int, float, str)


@pytest.mark.parametrize("result", RESULTS)
@examples
@given(foreign=foreign, is_numbered=st.booleans())
def test_a_result_is_read_as_it_was_returned(
    service: HostileService, result: str, foreign: dict[str, Any], is_numbered: bool
) -> None:
    service.foreign, service.is_numbered = foreign, is_numbered
    try:
        returned = RESULTS[result](service)
    except (WriftAIError, AirflowFailException) as error:
        returned = str(error)  # The result is refused, with our own message.
    _check_plain(returned)
    assert round_trip_xcom(returned) == returned
    if result != "get with schemas":
        assert len(json.dumps(returned)) < LARGEST_RESULT


@pytest.mark.parametrize("result", RESULTS)
@pytest.mark.parametrize("is_numbered", [True, False])
def test_every_result_is_reached(service: HostileService, result: str, is_numbered: bool) -> None:
    """Without it, the test above could pass because every operation fails with this service."""
    service.is_numbered = is_numbered
    service.foreign = {"schemas": {"a": {**ASSET, "__id__": DATASET, "b": MODULE}}, "anything": DATASET}
    if result == "configure":
        service.foreign |= {"hardware_identifier": "gpu", "variable_names": ["__id__"]}
    returned = RESULTS[result](service)
    assert returned
    assert round_trip_xcom(returned) == returned


def _trigger_event(criteria: Criteria) -> Any:
    async def run() -> Any:
        # Poll once: without a creation time of the version, the wait would continue.
        trigger = WriftAIVersionTrigger(
            criteria=criteria.to_json(),
            poll_interval=0,
            max_consecutive_failures=0,
            deadline=datetime.now(UTC),
        )
        (event,) = [event async for event in trigger.run()]
        return event.payload

    return asyncio.run(run())


@pytest.mark.parametrize("is_listed", [True, False])
@examples
@given(foreign=foreign, is_numbered=st.booleans())
def test_the_event_of_a_wait_is_received_as_it_was_sent(
    service: HostileService, is_listed: bool, foreign: dict[str, Any], is_numbered: bool
) -> None:
    service.foreign, service.is_numbered = foreign, is_numbered
    reference = _reference(service, 2)
    model = ModelReference("acme", "m")
    criteria = Criteria(version=parse_version(reference))
    if is_listed:
        criteria = Criteria(model=model, newer_than=read_newer_than(model, _reference(service, 1)))
    event = _trigger_event(criteria)
    _check_plain(event)
    assert round_trip_event(event) == event
    assert len(json.dumps(event)) < LARGEST_RESULT
    assert event["status"] in ("failed", "timeout") or event["version"]["reference"] == reference


def _published(service: HostileService) -> Any:
    async def run() -> Any:
        trigger = WriftAIVersionPublishedTrigger(
            model="acme/m", newer_than=1, poll_interval=0.01, seconds_between_events=0
        )
        async with aclosing(cast("AsyncGenerator[Any]", trigger.run())) as events:
            return (await anext(events)).payload

    return asyncio.run(run())


@examples
@given(foreign=foreign)
def test_the_event_of_a_watched_model_is_received_as_it_was_sent(
    service: HostileService, foreign: dict[str, Any]
) -> None:
    service.foreign = {**foreign, "created_at": service.created}
    payload = _published(service)
    _check_plain(payload)
    assert payload["reference"] == "acme/m:2"
    assert round_trip_event(payload) == payload
    assert round_trip_asset_event({"from_trigger": True, "payload": payload})["payload"] == payload
    assert len(json.dumps(payload)) < LARGEST_RESULT


@examples
@given(foreign=foreign, is_numbered=st.booleans())
def test_the_event_of_an_outlet_is_received_as_it_was_sent(foreign: dict[str, Any], is_numbered: bool) -> None:
    service = HostileService()
    service.foreign, service.is_numbered = foreign, is_numbered
    try:
        body = parse_json(_write(service.version(2)).encode())
    except ValueError:
        assume(False)
    version = VersionRecord.parse(parse_version(_reference(service, 2)), body)
    asset = model_asset("acme/m")
    event = SimpleNamespace(extra=None)
    # Not a dict: assets of Airflow 3.1 are not hashable.
    events: Any = MagicMock(__getitem__=lambda _, outlet: event)
    result = PublishResult(version, PublishOutcome.CREATED)
    describe_publish({"outlet_events": events}, [asset], "acme/m", result, lambda: asset)
    extra = event.extra
    _check_plain(extra)
    assert extra["reference"] == _reference(service, 2)
    assert round_trip_asset_event(extra) == extra


@pytest.mark.parametrize("poison", [{"__classname__": "x", "__version__": 1}, ASSET, MODULE, DATASET])
def test_airflow_changes_such_json(poison: dict[str, Any]) -> None:
    """This is why no result contains JSON from others: Airflow does not return it unchanged."""
    value = {"properties": {"a": poison, **poison}}
    with suppress(ImportError, TypeError, ValueError, AttributeError, KeyError, RecursionError):
        assert round_trip_xcom(value) != value
