from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_wriftai.client import endpoints
from airflow_provider_wriftai.client.api import API
from airflow_provider_wriftai.client.errors import UnreadableResponseError
from airflow_provider_wriftai.client.json_body import acceptable_members, parse_json, parse_leniently
from airflow_provider_wriftai.client.references import ModelReference, parse_version
from airflow_provider_wriftai.client.versions import Versions

DIGEST = "sha256:" + "ab" * 32

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(["\0", "\ud800"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


def _is_refused(body: bytes) -> bool:
    try:
        parse_json(body)
    except ValueError:
        return True
    return False


@given(st.dictionaries(st.text(max_size=3), values, max_size=4))
def test_only_acceptable_members_are_kept(value: dict[str, Any]) -> None:
    kept = acceptable_members(parse_leniently(json.dumps(value).encode()))
    expected: dict[str, Any] = {}
    for key, item in value.items():
        body = json.dumps({key: item}).encode()
        if not _is_refused(body):
            expected |= parse_json(body)
    assert kept == expected
    assert parse_json(json.dumps(kept).encode()) == kept


@pytest.mark.parametrize(
    "poison",
    [
        "[" * 250 + "]" * 250,
        '{"a": ' * 100_000 + '"}]"' + "}" * 100_000,
        "[" * 5000 + '"\\\\", "\\"[", {}' + "]" * 5000,
        "[" * 211 + "]" * 211,
        "1e999",
        "-" + "9" * 400,
        "NaN",
        '{"a\\u0000": 1}',
        '[["\\u0000"]]',
    ],
    ids=lambda poison: f"{poison[:10]}…{len(poison)}",
)
def test_only_the_member_that_cannot_be_held_is_left_out(poison: str) -> None:
    own = '"release_notes": "]}[{\\"", "container_image_digest": "' + DIGEST + '", "created_at": "2026-01-02T00:00:00Z"'
    version = '{"number": 1, "schemas": ' + poison + f", {own}}}"
    pages = {"/v1/models/acme/m/versions/1": version, "/v1/models/acme/m/versions": f'{{"items": [{version}]}}'}
    transport = httpx.MockTransport(lambda request: httpx.Response(200, text=pages[request.url.path]))
    with API("https://api.example/v1", transport=transport) as api:
        one = api.request(endpoints.get_version(parse_version("acme/m:1")))
        (listed,) = api.request(endpoints.list_versions(ModelReference("acme", "m"), None)).items
        for found in (one, listed):
            assert (found.number, found.digest, found.release_notes) == (1, DIGEST, ']}[{"')
            assert found.created_at is not None
            assert not found.has_schemas
        with pytest.raises(UnreadableResponseError, match="not acceptable JSON"):
            Versions(api).get("acme/m:1")
        with pytest.raises(UnreadableResponseError, match="not acceptable JSON"):
            Versions(api).list("acme", "m")


@pytest.mark.parametrize("body", [b"[" * 5000, b'{"a": "' + b'\\"' * 100_000, b"]" * 5000, b'{"a": [' * 5000 + b"]}]"])
def test_invalid_json_is_refused_by_the_lenient_parser_too(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_leniently(body)
