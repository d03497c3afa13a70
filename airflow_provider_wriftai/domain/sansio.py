"""Looks at the service apart from the I/O: a look asks for calls one by one, and whoever drives it carries them out."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, TypeVar, cast

from airflow_provider_wriftai.client.api import API
from airflow_provider_wriftai.client.endpoints import Operation
from airflow_provider_wriftai.client.errors import WriftAIError

T = TypeVar("T")

Operations = Generator[Operation[Any], Any, T]
"""Yields calls, is sent their results (or thrown the client's errors), and returns what it found."""


def run(api: API, look: Operations[T]) -> T:
    """Drive a look with sync requests."""
    resume, value = look.send, cast("Any", None)
    while True:
        try:
            call = resume(value)
        except StopIteration as found:
            return cast("T", found.value)
        try:
            resume, value = look.send, api.request(call)
        except WriftAIError as error:
            resume, value = look.throw, error


async def arun(api: API, look: Operations[T]) -> T:
    """Drive a look with async requests."""
    resume, value = look.send, cast("Any", None)
    while True:
        try:
            call = resume(value)
        except StopIteration as found:
            return cast("T", found.value)
        try:
            resume, value = look.send, await api.async_request(call)
        except WriftAIError as error:
            resume, value = look.throw, error
