"""Fixtures of the tests about pruning."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from airflow_provider_wriftai.client.api import API
from airflow_provider_wriftai.client.references import ModelReference
from airflow_provider_wriftai.client.retrying import RetryPolicy
from airflow_provider_wriftai.domain.retention.policy import RetentionPolicy
from airflow_provider_wriftai.domain.retention.prune import prune
from airflow_provider_wriftai.domain.retention.report import PruneReport
from airflow_provider_wriftai.sandbox.faults import Faults
from tests.support.pruning import Network, Prune, skip_sleep
from tests.support.sandbox import Sandbox


@pytest.fixture
def network() -> Network:
    return Network()


@pytest.fixture
def prune_it(sandbox: Sandbox, faulty: tuple[str, Faults], faults: Faults, generation: int, network: Network) -> Prune:
    """Return a function that prunes a model through each generation of a service with faults."""

    def run(model: str, policy: RetentionPolicy, **keywords: Any) -> PruneReport:
        async def prune_model() -> PruneReport:
            base_url = f"{faulty[0]}/generation-{generation}/v1"
            retry = RetryPolicy(attempts=keywords.pop("attempts", 1))
            async with API(base_url, sandbox.token, async_transport=network, retry=retry) as api:
                return await prune(api, ModelReference.parse(model), policy, sleep=skip_sleep, **keywords)

        return asyncio.run(prune_model())

    return run
