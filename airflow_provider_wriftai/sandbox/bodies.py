"""Read request bodies within bounds."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from starlette.exceptions import HTTPException
from starlette.requests import Request

from airflow_provider_wriftai.sandbox.validation import RefusedError

LARGEST_BODY = 4 * 1024 * 1024


async def read_body(request: Request) -> bytes:
    """Read the body of a request, and stop as soon as it is too large.

    Raises:
        HTTPException: The body is larger than ``LARGEST_BODY`` (413).
    """
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and (len(declared) > len(str(LARGEST_BODY)) or int(declared) > LARGEST_BODY):
        _refuse()
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > LARGEST_BODY:
            _refuse()
        chunks.append(chunk)
    return b"".join(chunks)


async def read_json(request: Request) -> Any:
    """Read the body of a request as strict JSON.

    Raises:
        HTTPException: The body is larger than ``LARGEST_BODY`` (413).
        RefusedError: The body is not JSON.
    """
    body = await read_body(request)
    try:
        parsed = json.loads(body, parse_constant=_refuse_constant)
        # Refuses lone surrogates, which UTF-8 cannot represent.
        json.dumps(parsed, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise RefusedError([{"loc": ["body"], "msg": f"JSON decode error: {error}", "type": "json_invalid"}]) from error
    return parsed


def _refuse() -> NoReturn:
    raise HTTPException(413, f"The body is larger than {LARGEST_BODY // 1024**2} MiB")


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")
