"""Process many items, several at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from airflow_provider_wriftai.domain.sansio import MOST_CONCURRENT

T = TypeVar("T")


async def run_concurrently(work: Callable[[T], Awaitable[None]], items: Iterable[T]) -> None:
    """Process each item, several at once, starting in order. The first error ends it.

    When it ends, no work is in progress, and none will begin.
    """
    remaining = iter(items)

    async def worker() -> None:
        for item in remaining:
            await work(item)

    workers = [asyncio.ensure_future(worker()) for _ in range(MOST_CONCURRENT)]
    try:
        await asyncio.gather(*workers)
    finally:
        for each in workers:
            each.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
