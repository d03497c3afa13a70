"""Where a trigger keeps its checkpoint: the state store of its asset (Airflow 3.3).

The store has no transactions, and a triggerer that was suspended and replaced writes late. So what is stored is read
before it is written, and merged with what others wrote. Only a triggerer that is suspended between the two can move the
checkpoint back, by what was delivered meanwhile, and only until the next version.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Protocol

from airflow_provider_wriftai.client.backoff import Backoff
from airflow_provider_wriftai.client.text import escape, truncated_repr
from airflow_provider_wriftai.client.version import VersionRecord
from airflow_provider_wriftai.domain.waiting.event_stream import Checkpoint

log = logging.getLogger(__name__)


class AssetStateStore(Protocol):
    """The part of Airflow's ``AssetStateStoreAccessors`` that is used."""

    async def aget(self, key: str, /) -> Any:
        """Return a value; None if there is none."""

    async def aset(self, key: str, value: Any, /) -> None:
        """Store a value."""


class CheckpointStore:
    """The checkpoint of one trigger.

    Args:
        store: The state store of the asset.
        key: The key of the checkpoint there.
        backoff: How long to wait between two attempts to read the checkpoint at first.
    """

    def __init__(self, store: AssetStateStore, key: str, backoff: Backoff) -> None:
        self._store = store
        self._key = key
        self._backoff = backoff
        self._own: Checkpoint | None = None
        # What others have written. It is merged separately, so that the ids of generation 1 do not accumulate.
        self._others: Checkpoint | None = None

    async def load(self) -> Checkpoint | None:
        """Return the checkpoint; None if there is none. While the store does not work, try again."""
        attempt = 0
        while True:
            try:
                self._own = await self._read()
            except Exception as error:  # noqa: BLE001 - a trigger that raises is restarted forever, unnoticed
                # So Airflow says that several assets share this trigger; its subclasses are failures.
                if type(error) is ValueError:
                    log.warning(
                        "Airflow keeps no checkpoint. Starting with versions published from now on. %s",
                        escape(str(error)),
                    )
                    return None
                attempt += 1
                delay = self._backoff.delay(attempt)
                log.error("Cannot read the checkpoint. Trying again in %.0f s. %s", delay, escape(str(error)))  # noqa: TRY400
                await asyncio.sleep(delay)
            else:
                if self._own is None:
                    log.info(
                        "Airflow has no checkpoint for this watcher. Starting after newer_than, or with versions "
                        "published from now on."
                    )
                return self._own

    async def is_delivered(self, version: VersionRecord, service: str) -> bool:
        """Return whether another triggerer has delivered a version meanwhile.

        This is so only in a triggerer that was suspended and replaced. If the store does not work, the version is
        delivered: once too often is better than never.
        """
        try:
            stored = await self._read()
        except Exception as error:  # noqa: BLE001
            log.debug("Cannot read the checkpoint. %s", escape(str(error)))
            return False
        return stored is not None and stored.covers(version, service)

    async def save(self, checkpoint: Checkpoint) -> None:
        """Move the checkpoint forward. If that fails, the next one stands for this one too."""
        try:
            stored = await self._read()
            if stored is not None and stored != self._own:
                self._others = stored if self._others is None else stored.merge(self._others)
            merged = checkpoint if self._others is None else checkpoint.merge(self._others)
            if merged != stored:
                await self._store.aset(self._key, merged.to_json())
            self._own = merged
        except Exception as error:  # noqa: BLE001
            log.warning("Cannot move the checkpoint. The next version will move it. %s", escape(str(error)))

    async def _read(self) -> Checkpoint | None:
        value = await self._store.aget(self._key)
        try:
            return None if value is None else Checkpoint.from_json(value)
        except (AttributeError, KeyError, TypeError, ValueError):
            log.error(  # noqa: TRY400
                "The stored checkpoint is invalid (%s). Starting with versions published from now on.",
                truncated_repr(value),
            )
            return None
