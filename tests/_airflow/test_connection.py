from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_wriftai._airflow.connection import ConnectionFields, find_base_url, parse_connection
from airflow_provider_wriftai.client.api import API
from airflow_provider_wriftai.client.errors import ConfigurationError
from airflow_provider_wriftai.client.retrying import RetryPolicy


@pytest.mark.parametrize(
    ("fields", "url"),
    [
        ({}, "https://api.wrift.ai/v1"),
        ({"host": ""}, "https://api.wrift.ai/v1"),
        ({"schema": "https"}, "https://api.wrift.ai/v1"),
        ({"host": "https://api.wrift.ai/v1"}, "https://api.wrift.ai/v1"),
        ({"host": " https://api.wrift.ai/v1/ "}, "https://api.wrift.ai/v1"),
        ({"host": "https://api.wrift.ai"}, "https://api.wrift.ai/v1"),
        ({"host": "https://proxy.example/wriftai/v1"}, "https://proxy.example/wriftai/v1"),
        ({"host": "http://localhost:8787/v1"}, "http://localhost:8787/v1"),
        ({"host": "http://localhost", "port": 8787}, "http://localhost:8787/v1"),
        ({"host": "http://localhost:8787", "port": 8787}, "http://localhost:8787/v1"),
        ({"host": "http://localhost:8787", "schema": "http"}, "http://localhost:8787/v1"),
        ({"host": "http://localhost", "port": 8787, "schema": "v1"}, "http://localhost:8787/v1"),
        (
            {"host": "http://localhost", "port": 8787, "schema": "generation-1/v1"},
            "http://localhost:8787/generation-1/v1",
        ),
        ({"host": "api.wrift.ai"}, "https://api.wrift.ai/v1"),
        ({"host": "api.wrift.ai/v2"}, "https://api.wrift.ai/v2"),
        ({"host": "api.wrift.ai", "port": 8443}, "https://api.wrift.ai:8443/v1"),
        ({"host": "localhost", "port": 8787, "schema": "http"}, "http://localhost:8787/v1"),
        ({"host": "localhost:8787", "schema": "HTTP"}, "http://localhost:8787/v1"),
        ({"host": "::1", "port": 8787, "schema": "http"}, "http://[::1]:8787/v1"),
        ({"host": "[::1]:8787", "schema": "http"}, "http://[::1]:8787/v1"),
        # Airflow removes the brackets of wriftai://http://:TOKEN@[::1]:8787/v1.
        ({"host": "http://::1", "port": 8787, "schema": "v1"}, "http://[::1]:8787/v1"),
        ({"host": "wriftai", "port": 8787, "schema": "http", "password": "t"}, "http://wriftai:8787/v1"),
        ({"host": "wriftai", "password": "t"}, "https://wriftai/v1"),
        ({"host": "https://wriftai"}, "https://wriftai/v1"),
    ],
)
def test_every_form_of_address_yields_the_base_url(fields: dict[str, Any], url: str) -> None:
    assert find_base_url(ConnectionFields(**fields)) == url
    assert API(url, "t", allow_plain_http=True).base_url == url


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"port": 8787}, "no host"),
        ({"schema": "http"}, "no host"),
        ({"host": "api.wrift.ai", "schema": "ftp"}, "http or https"),
        ({"host": "https://api.wrift.ai", "schema": "http"}, "Keep one"),
        ({"host": "https://api.wrift.ai:8443", "port": 443}, "Keep one"),
        ({"host": "https://api.wrift.ai:port"}, "cannot be parsed"),
        ({"login": "s3cret"}, "is the password"),
        ({"password": "s3cret", "extra": "{"}, "not valid JSON"),
        ({"password": "s3cret", "extra": "[]"}, "JSON object"),
        ({"extra": '{"timeout": 0}'}, "number of seconds"),
        ({"extra": '{"timeout": "soon"}'}, "number of seconds"),
        ({"extra": '{"timeout": true}'}, "number of seconds"),
        ({"extra": '{"timeout": "inf"}'}, "number of seconds"),
        ({"extra": '{"retry_attempts": 0}'}, "an integer of at least 1"),
        ({"extra": '{"retry_attempts": 2.5}'}, "an integer of at least 1"),
        ({"extra": '{"retry_seconds": -1}'}, "number of seconds"),
        ({"extra": '{"allow_plain_http": "yes"}'}, "true or false"),
        ({"extra": '{"ca_bundle": 7}'}, "text"),
        ({"extra": '{"timeuot": 5}'}, "unknown key 'timeuot'. Did you mean 'timeout'?"),
        ({"extra": '{"verify": false}'}, "unknown key 'verify'. The known keys are timeout, retry_attempts,"),
        ({"extra": '{"s3cret-t0ken-0f-acme": 1}'}, "has an unknown key. The known keys are"),
        ({"extra": '{"timeout": "s3cret-t0ken-0f-acme"}'}, "at most a week."),
        ({"host": "localhost", "schema": "s3cret-t0ken"}, "its schema must be the scheme"),
        ({"host": "s3cret-t0ken"}, "its host is a single word, and it has no token"),
        ({"connection_type": "aws", "password": "s3cret"}, "its type is 'aws' instead of 'wriftai'"),
        ({"connection_type": None, "password": "s3cret"}, "its type is None. Set it to 'wriftai', in lower case"),
        ({"connection_type": "WriftAI", "password": "s3cret"}, "its type is 'WriftAI'. Set it to 'wriftai'"),
        ({"host": "localhost", "port": "s3cret"}, "its port must be a number"),
        ({"host": "localhost", "port": 0}, "its port must be a number from 1 to 65535"),
        ({"password": "s3cret" * 2000}, "The access token has 12000 characters, which is too long"),
        ({"host": "https://localhost:8787", "port": "8788"}, "its host has the port 8787, but its port field is 8788"),
    ],
)
def test_an_invalid_connection_is_explained_without_the_token(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_connection(ConnectionFields(**fields))
    assert message in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_the_extra_is_parsed() -> None:
    fields = ConnectionFields(
        password="t",
        extra=json.dumps(
            {
                "retry_attempts": "2",
                "retry_seconds": 60,
                "timeout": "2.5",
                "allow_plain_http": "True",
                "ca_bundle": "",
            }
        ),
    )
    settings = parse_connection(fields)
    assert settings.pop("access_token").reveal() == "t"
    assert settings == {
        "base_url": "https://api.wrift.ai/v1",
        "connection_id": "wriftai_default",
        "retry": RetryPolicy(attempts=2, seconds=60),
        "timeout": 2.5,
        "allow_plain_http": True,
    }


def test_the_repr_has_no_secrets() -> None:
    assert "s3cret" not in repr(ConnectionFields(host="h", login="s3cret", password="s3cret", extra="s3cret"))
