"""Publish to a sandbox with faults, in simulated time."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx

from airflow_provider_wriftai.client.api import API
from airflow_provider_wriftai.client.references import ModelReference
from airflow_provider_wriftai.client.versions import CreateVersionParams
from airflow_provider_wriftai.domain.publishing.options import DEFAULT_SETTLE_SECONDS, IfExists, PublishOptions
from airflow_provider_wriftai.domain.publishing.outcome import PublishResult
from airflow_provider_wriftai.domain.publishing.publish import publish
from airflow_provider_wriftai.domain.publishing.reconcile import CONFIRMATION_SECONDS, CONFIRMATIONS
from airflow_provider_wriftai.domain.sansio import run
from airflow_provider_wriftai.sandbox.faults import Faults
from tests.support.sandbox import Sandbox

MODES: list[IfExists] = ["reuse", "fail", "create"]
"""Every value of ``if_exists``."""

RECONCILE_SECONDS = DEFAULT_SETTLE_SECONDS + CONFIRMATIONS * CONFIRMATION_SECONDS
"""Seconds after which a version that does not appear is known not to exist."""


class Killed(BaseException):
    """Ends a publish as if its process had been killed."""


class Network(httpx.HTTPTransport):
    """A transport that records the methods of the requests, and that can kill the process around a POST, or wait for
    its response for fewer seconds than the API does."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[str] = []
        self.seconds_for_post: float | None = None
        self.kill_before_post = False
        self.kill_after_post = False
        self.before_post: Callable[[], None] = lambda: None
        self.after_post: Callable[[], None] = lambda: None

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.method != "POST":
            self.sent.append(request.method)
            return super().handle_request(request)
        self.before_post()
        if self.kill_before_post:
            raise Killed
        self.sent.append(request.method)
        if self.seconds_for_post is not None:
            request.extensions["timeout"]["read"] = self.seconds_for_post
        try:
            response = super().handle_request(request)
        finally:
            after_post, self.after_post = self.after_post, lambda: None
            after_post()
        if self.kill_after_post:
            response.close()
            raise Killed
        return response

    @property
    def posts(self) -> int:
        return self.sent.count("POST")


class Time:
    """Time that passes only in :meth:`sleep`."""

    def __init__(self) -> None:
        self.now = 0.0
        self.alarms: list[tuple[float, Callable[[], None]]] = []

    def at(self, when: float, action: Callable[[], None]) -> None:
        self.alarms.append((when, action))

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        for alarm in [alarm for alarm in self.alarms if alarm[0] <= self.now]:
            self.alarms.remove(alarm)
            alarm[1]()

    def clock(self) -> float:
        return self.now


class JsonStateStore:
    """A state store that holds JSON, as Airflow's does."""

    def __init__(self) -> None:
        self.text: str | None = None
        self.fails_after = 1_000

    def load(self) -> Any:
        return None if self.text is None else json.loads(self.text)

    def save(self, value: dict[str, Any]) -> None:
        self.fails_after -= 1
        if self.fails_after < 0:
            raise ConnectionError("no database")
        self.text = json.dumps(value, allow_nan=False)


Publish = Callable[..., PublishResult]


def publish_with(
    api: API, model: ModelReference, params: CreateVersionParams, time: Time | None = None, **keywords: Any
) -> PublishResult:
    time = time or Time()
    arguments = {name: keywords.pop(name) for name in ("state", "is_stopped") if name in keywords}
    options = PublishOptions(**keywords)
    return run(api, publish(model, params, options, service=api.base_url, clock=time.clock, **arguments), time.sleep)


def someone_else_publishes(
    sandbox: Sandbox, model: ModelReference, params: CreateVersionParams, **changes: Any
) -> None:
    sandbox.store.create_version(model.owner, model.name, **{**params, **changes})


def wait_until_executed(faults: Faults) -> None:
    while faults.events.get(timeout=30).stage != "executed":
        pass
