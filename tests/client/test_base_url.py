from __future__ import annotations

import pytest

from airflow_provider_wriftai.client.access_token import AccessToken
from airflow_provider_wriftai.client.api import API
from airflow_provider_wriftai.client.base_url import check_base_url
from airflow_provider_wriftai.client.errors import ConfigurationError


@pytest.mark.parametrize("url", ["https://api.wrift.ai/v1", "http://localhost:8787/v1", "https://[::1]:8443/v1"])
def test_a_valid_url_loses_its_trailing_slash(url: str) -> None:
    assert check_base_url(url + "/", token_given=True, allow_plain_http=False) == url


@pytest.mark.parametrize(
    "url",
    ["", "api.wrift.ai/v1", "ftp://api.wrift.ai", "https://", "https:///v1", "https://h:port/v1", "https://h:99999/v1",
     "https://h/v1?x=1", "https://h/v1#x", "https://h/a b", "https://h/v1\n", "https://hÃ¶st/v1", "https://[::1/v1",
     "https://a..b/v1", "https://./v1", f"https://{'a' * 70}.example/v1", "https://xn--zzzzzz-.example/v1"],
)  # fmt: skip
def test_an_invalid_url_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError):
        check_base_url(url, token_given=True, allow_plain_http=True)


def test_a_url_with_a_password_is_refused_without_showing_it() -> None:
    with pytest.raises(ConfigurationError) as caught:
        check_base_url("https://user:s3cret@h/v1", token_given=True, allow_plain_http=False)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.9.1", "[::1]"])
def test_a_token_may_go_unencrypted_to_this_machine(host: str) -> None:
    check_base_url(f"http://{host}:80/v1", token_given=True, allow_plain_http=False)


@pytest.mark.parametrize("host", ["api.wrift.ai", "10.0.0.1", "localhost.example.com", "0.0.0.0", "127.0.0.1.nip.io"])
def test_a_token_does_not_go_unencrypted_anywhere_else(host: str) -> None:
    with pytest.raises(ConfigurationError, match="unencrypted"):
        check_base_url(f"http://{host}/v1", token_given=True, allow_plain_http=False)
    check_base_url(f"http://{host}/v1", token_given=True, allow_plain_http=True)
    check_base_url(f"http://{host}/v1", token_given=False, allow_plain_http=False)


def test_an_address_is_readable_in_the_message() -> None:
    with pytest.raises(ConfigurationError, match="unencrypted to 'fe80::1', which"):
        check_base_url("http://[fe80::1]:80/v1", token_given=True, allow_plain_http=False)


@pytest.mark.parametrize("token", [None, "", "  ", "\n"])
def test_an_empty_token_is_none(token: str | None) -> None:
    assert not AccessToken(token or "")


def test_blanks_around_a_token_are_dropped() -> None:
    assert AccessToken(" abc\n").reveal() == "abc"


@pytest.mark.parametrize("token", ["s3cret token", "s3cret\ntoken", "s3crét", "s3cret\x00"])
def test_an_invalid_token_is_refused_without_showing_it(token: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        API("https://api.wrift.ai/v1", token)
    assert "s3cr" not in str(caught.value)


def test_the_token_is_not_in_the_repr() -> None:
    assert repr(API("https://api.wrift.ai/v1", "s3cret")) == "API('https://api.wrift.ai/v1')"
