"""Looks at the service apart from the I/O: a look asks for calls one by one, and whoever drives it carries them out."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, TypeVar, cast

from airflow_provider_wriftai.client.api import API
from airflow_provider_wriftai.client.calls import Call
from airflow_provider_wriftai.client.errors import WriftAIError

T = TypeVar("T")

Look = Generator[Call[Any], Any, T]
"""Yields calls, is sent their results (or thrown the client's errors), and returns what it found."""


def carry_out(api: API, look: Look[T]) -> T:
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


async def async_carry_out(api: API, look: Look[T]) -> T:
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
