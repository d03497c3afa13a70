"""A stream of versions of which Airflow tells when their events are stored (Airflow 3.3)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from airflow_provider_wriftai._airflow.compat import AdvanceItem, SharedStreamProducer
from airflow_provider_wriftai.domain.waiting.event_stream import VersionEvent
from airflow_provider_wriftai.domain.watermark import Watermark


@dataclass(eq=False, slots=True)
class Delivery:
    """What goes through the stream.

    Attributes:
        news: The news; None in the first one, which asks where to begin.
        begins: Where to begin.
        save: Moves the mark.
    """

    news: VersionEvent | None
    begins: asyncio.Future[Watermark | None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    save: Callable[[Watermark], Awaitable[None]] | None = None


class VersionStream(SharedStreamProducer):
    """The stream of one trigger.

    Args:
        listen: Listens for versions, from a mark on.
    """

    def __init__(self, listen: Callable[[Watermark | None], AsyncIterator[VersionEvent]]) -> None:
        self._listen = listen

    async def open_stream(self) -> AsyncIterator[tuple[Delivery, Delivery]]:
        """Ask where to begin, and then deliver version after version."""
        first = Delivery(None)
        yield first, first
        async for news in self._listen(await first.begins):
            delivery = Delivery(news)
            yield delivery, delivery

    async def advance(self, batch: Sequence[AdvanceItem]) -> None:
        """Move the mark behind what Airflow has stored."""
        last: Delivery | None = None
        for delivery, outcome in batch:
            if not outcome.is_clean:
                break
            last = delivery
        if last is not None and last.news is not None and last.save is not None:
            await last.save(last.news.watermark)
