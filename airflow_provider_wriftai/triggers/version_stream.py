"""A stream of versions whose checkpoint moves once Airflow has stored their events (Airflow 3.3).

Airflow confirms that events were stored only to the producer of a shared stream. So each trigger has a stream of its
own: the producer gets the starting point from the trigger, delivers version after version, and advances the checkpoint
past those whose events Airflow has confirmed. The poll is still shared with everything else in the process.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from airflow_provider_wriftai._airflow.compat import AdvanceItem, SharedStreamProducer
from airflow_provider_wriftai.domain.waiting.event_stream import Checkpoint, VersionEvent


@dataclass(eq=False, slots=True)
class Delivery:
    """An item of the stream.

    Attributes:
        event: The version; None in the first item, which requests the starting point.
        start: The starting point, set by the trigger.
        save: Advances the checkpoint, set by the trigger.
    """

    event: VersionEvent | None
    start: asyncio.Future[Checkpoint | None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    save: Callable[[Checkpoint], Awaitable[None]] | None = None


class VersionStream(SharedStreamProducer):
    """The stream of one trigger.

    Args:
        listen: Returns the versions after a checkpoint.
    """

    def __init__(self, listen: Callable[[Checkpoint | None], AsyncIterator[VersionEvent]]) -> None:
        self._listen = listen

    async def open_stream(self) -> AsyncIterator[tuple[Delivery, Delivery]]:
        """Request the starting point, then deliver version after version."""
        first = Delivery(None)
        yield first, first
        async for event in self._listen(await first.start):
            delivery = Delivery(event)
            yield delivery, delivery

    async def advance(self, batch: Sequence[AdvanceItem]) -> None:
        """Advance the checkpoint past what Airflow has stored."""
        last: Delivery | None = None
        for delivery, outcome in batch:
            if not outcome.is_clean:
                break
            last = delivery
        if last is not None and last.event is not None and last.save is not None:
            await last.save(last.event.checkpoint)
