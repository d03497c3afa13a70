"""The trigger that waits for a version."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_wriftai.connection import DEFAULT_CONNECTION_ID
from airflow_provider_wriftai.hooks.wriftai import WriftAIHook


class WriftAIVersionTrigger(BaseTrigger):
    """Waits in the triggerer until a version is there.

    Its one event is a mapping with ``status``: ``ready`` (and ``version``), ``timeout`` (and ``message``)
    or ``failed`` (and ``message``, and ``final``: whether no retry can fix it).

    Args:
        version: The version's id, or ``owner/name:number``.
        poll_interval: Seconds between looks.
        deadline: When the wait is over, as an ISO 8601 time with a time zone.
        wriftai_conn_id: The Airflow connection.
    """

    def __init__(
        self,
        *,
        version: str,
        poll_interval: float,
        deadline: str,
        wriftai_conn_id: str = DEFAULT_CONNECTION_ID,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.version = version
        self.poll_interval = poll_interval
        self.deadline = deadline
        self.wriftai_conn_id = wriftai_conn_id

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Tell how to make this trigger again."""
        return f"{type(self).__module__}.{type(self).__qualname__}", {
            "version": self.version,
            "poll_interval": self.poll_interval,
            "deadline": self.deadline,
            "wriftai_conn_id": self.wriftai_conn_id,
        }

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look until the version is there or the deadline has passed."""
        from airflow_provider_wriftai.client.errors import WriftAIError
        from airflow_provider_wriftai.failures import FINAL

        try:
            event = await self._wait()
        except WriftAIError as error:
            event = {"status": "failed", "message": str(error), "final": isinstance(error, FINAL)}
        yield TriggerEvent(event)  # type: ignore[no-untyped-call]

    async def _wait(self) -> dict[str, Any]:
        from airflow_provider_wriftai.client.versions import Versions
        from airflow_provider_wriftai.waiting.watch import async_look

        deadline = datetime.fromisoformat(self.deadline)
        looks = 0
        async with await WriftAIHook(self.wriftai_conn_id).async_get_conn() as api:
            while True:
                version = await async_look(Versions(api), self.version)
                looks += 1
                if version is not None:
                    return {"status": "ready", "version": version}
                left = (deadline - datetime.now(UTC)).total_seconds()
                if left <= 0:
                    message = f"{self.version} was not there by {self.deadline}, after {looks} looks in the triggerer."
                    return {"status": "timeout", "message": message}
                self.log.info("%s is not there yet; %.0f s left.", self.version, left)
                await asyncio.sleep(min(self.poll_interval, left))
