from __future__ import annotations

import asyncio
from typing import Any

import pytest

from airflow_provider_wriftai.client.api import API
from airflow_provider_wriftai.client.errors import AuthenticationError, InvalidReferenceError
from airflow_provider_wriftai.client.versions import Versions
from airflow_provider_wriftai.waiting.watch import async_look, look


def test_a_version_is_seen_once_it_is_there(sandbox: Any, versions: Versions, api: API) -> None:
    owner, name = sandbox.new_model(versions=1).split("/")
    (version,) = versions.list(owner, name).items
    reference = version["reference"]
    missing = reference[:-1] + ("2" if ":" in reference else "x")

    async def look_async(what: str) -> Any:
        async with api:
            return await async_look(versions, what)

    for found in (look(versions, reference), asyncio.run(look_async(reference))):
        assert found is not None
        assert found["reference"] == reference
    assert look(versions, missing) is None
    assert asyncio.run(look_async(missing)) is None


def test_what_no_wait_can_mend_is_raised(sandbox: Any, generation: int) -> None:
    with API(sandbox.base_url(generation), "wrong") as api:
        with pytest.raises(AuthenticationError):
            look(Versions(api), "acme/det:1" if generation == 2 else "some-id")
        with pytest.raises(InvalidReferenceError):
            look(Versions(api), "acme/det")
