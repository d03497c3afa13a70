from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from airflow_provider_wriftai.client.api import API
from airflow_provider_wriftai.client.references import ModelReference
from airflow_provider_wriftai.client.retrying import RetryPolicy
from airflow_provider_wriftai.client.versions import CreateVersionParams
from airflow_provider_wriftai.domain.publishing.outcome import PublishResult
from airflow_provider_wriftai.sandbox.faults import Faults
from tests.support.publishing import (
    JsonStateStore,
    Network,
    Publish,
    Time,
    publish_with,
)
from tests.support.sandbox import Sandbox


@pytest.fixture
def network() -> Network:
    return Network()


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def state() -> JsonStateStore:
    return JsonStateStore()


@pytest.fixture
def api(
    sandbox: Sandbox, faulty: tuple[str, Faults], faults: Faults, generation: int, network: Network
) -> Iterator[API]:
    base_url = f"{faulty[0]}/generation-{generation}/v1"
    with API(base_url, sandbox.token, transport=network, retry=RetryPolicy(attempts=1)) as opened:
        yield opened


@pytest.fixture
def params(digest: str, schemas: Any) -> CreateVersionParams:
    return {"release_notes": "new", "schemas": schemas, "container_image_digest": digest}


@pytest.fixture
def model(sandbox: Sandbox) -> ModelReference:
    return ModelReference.parse(sandbox.new_model(versions=2))


@pytest.fixture
def publish_it(api: API, model: ModelReference, params: CreateVersionParams, time: Time) -> Publish:
    """Return a function that publishes the image in virtual time."""

    def publish_changed(**keywords: Any) -> PublishResult:
        changes = keywords.pop("params", {})
        return publish_with(api, model, {**params, **changes}, time, **keywords)

    return publish_changed
