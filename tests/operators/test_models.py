from __future__ import annotations

from typing import Any

import httpx
import pytest

from airflow_provider_wriftai._airflow.compat import AirflowFailException
from airflow_provider_wriftai.client.api import API
from airflow_provider_wriftai.client.errors import NotFoundError
from airflow_provider_wriftai.client.retrying import RetryPolicy
from airflow_provider_wriftai.hooks.wriftai import WriftAIHook
from airflow_provider_wriftai.operators.models import WriftAIListModelsOperator


@pytest.fixture
def paths(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Serve the models of acme on two pages, and return the list of requested paths."""
    requested: list[str] = []

    def respond(request: httpx.Request) -> httpx.Response:
        requested.append(request.url.raw_path.decode())
        if request.url.path != "/v1/models/acme":
            return httpx.Response(404, json={"detail": "no such user"})
        if "cursor" in request.url.params:
            return httpx.Response(200, json={"items": [{"name": "a", "owner": "acme"}], "next_cursor": None})
        items = [{"name": "c", "owner": "acme"}, {"name": "b"}]
        return httpx.Response(200, json={"items": items, "next_cursor": "p2"})

    def get_conn(self: Any) -> API:
        return API(transport=httpx.MockTransport(respond), retry=RetryPolicy(attempts=1))

    monkeypatch.setattr(WriftAIHook, "get_conn", get_conn)
    return requested


def test_all_models_of_an_owner_are_listed(paths: list[str]) -> None:
    context: Any = {}
    models = WriftAIListModelsOperator(task_id="models", model_owner="acme").execute(context)
    assert models == ["acme/a", "acme/b", "acme/c"]
    assert paths == ["/v1/models/acme?page_size=50", "/v1/models/acme?page_size=50&cursor=p2"]


def test_an_owner_who_does_not_exist_is_an_error(paths: list[str]) -> None:
    context: Any = {}
    with pytest.raises(NotFoundError):
        WriftAIListModelsOperator(task_id="models", model_owner="nobody").execute(context)


@pytest.mark.parametrize("owner", ["", "None", None, "a/b", ".."])
def test_an_invalid_owner_fails_without_a_request(paths: list[str], owner: Any) -> None:
    context: Any = {}
    with pytest.raises(AirflowFailException):
        WriftAIListModelsOperator(task_id="models", model_owner=owner).execute(context)
    assert paths == []
