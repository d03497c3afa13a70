from __future__ import annotations

import time
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_wriftai.client.rate_limit_headers import LONGEST_WAIT, RateLimitHeaders, seconds_until_retry
from airflow_provider_wriftai.client.response import Response


def _response(status: int = 429, **headers: str) -> Response:
    return Response(status, {name.replace("_", "-"): value for name, value in headers.items()}, b"")


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry_after": "7"}, 7),
        ({"retry_after": "0"}, 0),
        ({"retry_after": "-5"}, 0),
        ({"retry_after": "3600"}, LONGEST_WAIT),
        ({"retry_after": "1e9"}, None),
        ({"retry_after": "nonsense"}, None),
        ({"retry_after": "inf"}, None),
        ({"retry_after": "nan"}, None),
        ({"x_ratelimit_reset": "12"}, 12),
        ({"x_ratelimit_reset": "0.25"}, 0.25),
        ({"x_ratelimit_reset": ""}, None),
        ({"x_ratelimit_reset": "12", "retry_after": "3"}, 3),
        ({"retry_after": "3, 7"}, 7),
        ({"x_ratelimit_reset": "3, 7"}, 7),
        ({"ratelimit_reset": "9"}, 9),
        ({"ratelimit": '"default";r=0;t=11'}, 11),
        ({"ratelimit": "limit=5, remaining=0, reset=4"}, 4),
    ],
)
def test_a_number_of_seconds(headers: dict[str, str], seconds: float | None) -> None:
    assert seconds_until_retry(_response(200, **headers), time.time()) == seconds


def test_a_unix_time() -> None:
    assert seconds_until_retry(_response(x_ratelimit_reset="1764000020.5"), now=1764000000) == 20.5
    assert seconds_until_retry(_response(x_ratelimit_reset="1764000020"), now=1764000030) == 0


def test_an_http_date() -> None:
    date = formatdate(1764000030, usegmt=True)
    assert seconds_until_retry(_response(retry_after=date), now=1764000000) == 30


@pytest.mark.parametrize("reset", ["1795521600", "1764000000000"])
def test_an_implausible_time_is_ignored(reset: str) -> None:
    assert seconds_until_retry(_response(x_ratelimit_reset=reset), now=1764000000) is None


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, RateLimitHeaders()),
        (
            {"x_ratelimit_limit": "5", "x_ratelimit_remaining": "2", "x_ratelimit_reset": "1764000020.5"},
            RateLimitHeaders(remaining=2, limit=5, resets_at=1764000020.5),
        ),
        ({"x_ratelimit_remaining": "0, 0"}, RateLimitHeaders(remaining=0)),
        ({"x_ratelimit_remaining": "3, 0", "x_ratelimit_reset": "2, 9"}, RateLimitHeaders(remaining=0, resets_in=9)),
        ({"x_ratelimit_remaining": "-1", "x_ratelimit_limit": "1e300"}, RateLimitHeaders(remaining=0, limit=1e6)),
        ({"ratelimit_limit": "100, 100;w=60", "ratelimit_remaining": "7"}, RateLimitHeaders(remaining=7, limit=100)),
        ({"ratelimit": "limit=100, remaining=50, reset=5"}, RateLimitHeaders(remaining=50, limit=100, resets_in=5)),
        (
            {"ratelimit": '"burst";r=3;t=1, "day";r=50;t=900', "ratelimit_policy": '"burst";q=6;w=2'},
            RateLimitHeaders(remaining=3, limit=6, resets_in=900, interval=1 / 3),
        ),
        ({"ratelimit_policy": '"default";q=0;w=60'}, RateLimitHeaders(limit=0)),
        ({"ratelimit_policy": '"default";q=9'}, RateLimitHeaders(limit=9)),
    ],
)
def test_headers(headers: dict[str, str], expected: RateLimitHeaders) -> None:
    assert RateLimitHeaders.of(_response(200, **headers)) == expected


@given(
    st.dictionaries(
        st.sampled_from(
            [
                "x-ratelimit-remaining",
                "x-ratelimit-reset",
                "x-ratelimit-limit",
                "retry-after",
                "ratelimit",
                "ratelimit-policy",
                "ratelimit-reset",
            ]
        ),
        st.text(max_size=30) | st.from_regex(r"[-0-9e.,;=rtqw ]{0,20}"),
    )
)
def test_any_header_is_harmless(headers: dict[str, str]) -> None:
    response = Response(429, headers, b"")
    RateLimitHeaders.of(response)
    seconds = seconds_until_retry(response, time.time())
    assert seconds is None or 0 <= seconds <= LONGEST_WAIT
