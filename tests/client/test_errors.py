from __future__ import annotations

import json

import pytest

from airflow_provider_wriftai.client import errors
from airflow_provider_wriftai.client.errors import (
    APIError,
    ConnectionFailedError,
    FieldProblem,
    InvalidRequestError,
    RequestInfo,
    ServerError,
    parse_error,
)


@pytest.mark.parametrize(
    ("status", "name"),
    [(400, "APIError"), (401, "AuthenticationError"), (403, "PermissionDeniedError"), (404, "NotFoundError"),
     (409, "ConflictError"), (418, "APIError"), (422, "InvalidRequestError"), (429, "RateLimitedError"),
     (500, "ServerError"), (503, "ServerError"), (599, "ServerError"), (302, "RedirectError"), (410, "NotFoundError")],
)  # fmt: skip
def test_the_status_picks_the_class(status: int, name: str) -> None:
    error = parse_error(RequestInfo("GET", "/x"), status, b"")
    assert type(error).__name__ == name
    assert error.status == status


def test_the_message_names_the_request_the_response_and_the_remedy() -> None:
    error = parse_error(
        RequestInfo("DELETE", "/models/a/b/versions/1"), 403, b'{"detail": "not yours"}', request_id="r-17"
    )
    assert str(error) == (
        "DELETE /models/a/b/versions/1 failed with 403 Forbidden: not yours (request id r-17). "
        "Use the access token of an account that has this permission on the model."
    )


def test_a_422_names_each_field() -> None:
    detail = [
        {"loc": ["body", "release_notes"], "msg": "too long", "type": "x"},
        {"loc": ["body", "schemas", "prediction", 0], "msg": "no", "type": "y"},
        "odd",
    ]
    error = parse_error(RequestInfo("POST", "/x"), 422, json.dumps({"detail": detail}).encode())
    assert isinstance(error, InvalidRequestError)
    assert error.fields == (
        FieldProblem("body.release_notes", "too long"),
        FieldProblem("body.schemas.prediction.0", "no"),
        FieldProblem("", "odd"),
    )
    assert "body.release_notes: too long; body.schemas.prediction.0: no; odd" in str(error)


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b"<html><head><title>502 Bad\n Gateway</title></head></html>", "an HTML page titled '502 Bad Gateway'"),
        (b"", ""),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (b'"just text"', "just text"),
        (b"[1, 2]", "1; 2"),
        (b'{"error": "x"}', '{"error": "x"}'),
        (b'{"detail": {"a": 1}}', '{"a": 1}'),
        (b'{"detail": "line\\nbreak\\u001b[31m"}', "line break\\x1b[31m"),
        (b"[" * 100_000, "[" * 499 + "…"),
    ],
)
def test_any_body_can_be_read(body: bytes, detail: str) -> None:
    error = parse_error(RequestInfo("GET", "/x"), 502, body)
    assert isinstance(error, ServerError)
    assert error.detail == detail


@pytest.mark.parametrize(
    ("error", "ambiguous"),
    [
        (parse_error(RequestInfo("POST", "/x"), 422, b""), False),
        (parse_error(RequestInfo("POST", "/x"), 429, b""), False),
        (parse_error(RequestInfo("POST", "/x"), 500, b""), True),
        (parse_error(RequestInfo("POST", "/x"), 504, b""), True),
        (parse_error(RequestInfo("POST", "/x"), 303, b""), True),
        (parse_error(RequestInfo("POST", "/x"), 408, b""), True),
        (parse_error(RequestInfo("POST", "/x"), 400, b""), False),
        (errors.UnreadableResponseError(RequestInfo("POST", "/x"), "odd"), True),
        (ConnectionFailedError(RequestInfo("POST", "/x"), "broke", ambiguous=False), False),
    ],
)
def test_an_error_states_whether_the_request_may_have_been_executed(error: APIError, ambiguous: bool) -> None:
    assert error.ambiguous is ambiguous
