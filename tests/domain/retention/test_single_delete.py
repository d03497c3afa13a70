from __future__ import annotations

import httpx
import pytest

from airflow_provider_wriftai.client.api import API
from airflow_provider_wriftai.client.errors import NotFoundError
from airflow_provider_wriftai.client.references import parse_version
from airflow_provider_wriftai.client.retrying import RetryPolicy
from airflow_provider_wriftai.domain.retention.errors import UnconfirmedDeleteError
from airflow_provider_wriftai.domain.retention.single_delete import delete
from airflow_provider_wriftai.domain.sansio import run

REFERENCE = parse_version("acme/det:3")


class Service:
    """A service with a given response to a delete, which returns the version for some more requests.

    Attributes:
        requests: The methods of the requests, in order.
        slept: The pauses between them, in seconds.
    """

    def __init__(self, response: httpx.Response, gone_after: int = 0) -> None:
        self.requests: list[str] = []
        self.slept: list[float] = []
        self._response = response
        self._gone_after = gone_after

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request.method)
        if request.method == "DELETE":
            return self._response
        if len(self.requests) > self._gone_after + 1:
            return httpx.Response(404)
        return httpx.Response(200, json={"number": 3})

    def delete(self) -> None:
        transport = httpx.MockTransport(self)
        with API("https://h.example/v1", transport=transport, retry=RetryPolicy(attempts=1)) as api:
            run(api, delete(REFERENCE), self.slept.append)


@pytest.mark.parametrize("response", [httpx.Response(204), httpx.Response(200, json={}), httpx.Response(200)])
def test_a_confirmed_delete_is_one_request(response: httpx.Response) -> None:
    service = Service(response)
    service.delete()
    assert service.requests == ["DELETE"]


UNCONFIRMED = [
    httpx.Response(202),
    httpx.Response(207, json={"failed": [3]}),
    httpx.Response(200, json={"deleted": False}),
    httpx.Response(200, text="OK"),
    httpx.Response(200, html="<html>Please sign in</html>"),
]


@pytest.mark.parametrize("response", UNCONFIRMED)
@pytest.mark.parametrize("gone_after", [0, 3])
def test_a_delete_that_is_not_confirmed_is_verified(response: httpx.Response, gone_after: int) -> None:
    service = Service(response, gone_after)
    service.delete()
    assert service.requests == ["DELETE"] + ["GET"] * (gone_after + 1)
    assert len(service.slept) == gone_after


@pytest.mark.parametrize("response", UNCONFIRMED)
def test_a_version_that_still_exists_was_not_deleted(response: httpx.Response) -> None:
    service = Service(response, gone_after=100)
    with pytest.raises(UnconfirmedDeleteError, match="delete of acme/det:3 with success, but not as its contract says"):
        service.delete()
    assert service.requests == ["DELETE"] + ["GET"] * 5
    assert 10 < sum(service.slept) < 20


def test_a_version_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(NotFoundError):
        Service(httpx.Response(404)).delete()
