"""The trigger that starts DAGs when a version is published."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import TriggerEvent

from airflow_provider_wriftai._airflow.compat import BaseEventTrigger
from airflow_provider_wriftai._airflow.connection import DEFAULT_CONNECTION_ID
from airflow_provider_wriftai._airflow.metrics import count
from airflow_provider_wriftai.hooks.wriftai import WriftAIHook

if TYPE_CHECKING:
    from collections.abc import Hashable

    from airflow_provider_wriftai._airflow.compat import SharedStreamProducer
    from airflow_provider_wriftai.client.common_types import Version
    from airflow_provider_wriftai.domain.waiting.event_stream import VersionEvent
    from airflow_provider_wriftai.domain.watermark import Watermark
    from airflow_provider_wriftai.triggers.acknowledged import Delivery


def _seconds(name: str, value: object) -> float:
    if isinstance(value, timedelta):
        value = value.total_seconds()
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < float("inf"):
        return value
    from airflow_provider_wriftai.client.text import truncated_repr
    from airflow_provider_wriftai.domain.waiting.errors import InvalidCriteriaError

    raise InvalidCriteriaError(f"{name} must be a number of seconds from 0 on; got {truncated_repr(value)}.")


class WriftAIVersionPublishedTrigger(BaseEventTrigger):
    """Fires for each version of a model that is published, by whomever: for an ``AssetWatcher`` (Airflow 3).

    One event per version, the oldest first. Its payload is the version without its schemas, and its ``model``. All
    that waits in a triggerer on one model and connection shares one poll.

    On Airflow 3.3 a mark in the asset's state store outlasts the triggerer's restarts. It is moved once Airflow has
    stored the event, so that no version is lost; a triggerer that is killed within the second or two between the two
    tells a version again. Before 3.3, what is published while no triggerer runs is not told.

    Args:
        model: ``owner/name``.
        release_notes: A regular expression; only versions in whose release notes it is found.
        newer_than: Where the events begin, when the trigger runs for the first time, and before Airflow 3.3 each time
            that it starts: a version's reference or number, or a time with its time zone. Left out: with what is
            published from then on.
        poll_interval: Seconds between looks.
        seconds_between_events: Seconds between two events at least. Airflow starts one run for all events of an asset
            that come before its scheduler has seen the first, and hands it only that one; the others wait for the
            next event.
        wriftai_conn_id: The Airflow connection.

    Raises:
        InvalidReferenceError: The model is not named so.
        InvalidCriteriaError: Another argument cannot be meant.
    """

    def __init__(
        self,
        *,
        model: str,
        release_notes: str | None = None,
        newer_than: str | int | datetime | None = None,
        poll_interval: float | timedelta = 60.0,
        seconds_between_events: float | timedelta = 5.0,
        wriftai_conn_id: str = DEFAULT_CONNECTION_ID,
    ) -> None:
        from airflow_provider_wriftai.client.references import ModelReference
        from airflow_provider_wriftai.domain.waiting.criteria import START, Criteria, read_newer_than, read_pattern

        super().__init__()  # type: ignore[no-untyped-call]
        self.model = model
        self.release_notes = release_notes
        self.newer_than = newer_than.isoformat() if isinstance(newer_than, datetime) else newer_than
        self.poll_interval = _seconds("poll_interval", poll_interval)
        self.seconds_between_events = _seconds("seconds_between_events", seconds_between_events)
        self.wriftai_conn_id = wriftai_conn_id
        # Here already, so that a mistake shows where the DAG is parsed.
        reference = ModelReference.parse(model)
        self._condition = Criteria(
            model=reference,
            newer_than=START if newer_than is None else read_newer_than(reference, newer_than),
            release_notes=None if release_notes is None else read_pattern(release_notes),
        )

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Tell how to make this trigger again."""
        return f"{type(self).__module__}.{type(self).__qualname__}", {
            "model": self.model,
            "release_notes": self.release_notes,
            "newer_than": self.newer_than,
            "poll_interval": self.poll_interval,
            "seconds_between_events": self.seconds_between_events,
            "wriftai_conn_id": self.wriftai_conn_id,
        }

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Fire for each version, where Airflow does not tell that an event is stored."""
        async for news in self.news(None):
            if news.version is not None:
                yield self._event(news.version)

    def shared_stream_key(self) -> Hashable | None:
        """Take part in a stream where Airflow keeps the mark: only a stream tells that an event is stored.

        It is this trigger's own. The poll is shared all the same, and with more than triggers of this kind.
        """
        if self._store is None:
            return None
        return json.dumps(self.serialize(), sort_keys=True)

    @classmethod
    def create_shared_stream_producer(cls, kwargs: dict[str, Any]) -> SharedStreamProducer:
        """Make the stream of the versions (Airflow 3.3)."""
        from airflow_provider_wriftai.triggers.acknowledged import VersionStream

        return VersionStream(cls(**kwargs).news)

    async def filter_shared_stream(self, shared_stream: AsyncIterator[Delivery]) -> AsyncIterator[TriggerEvent]:
        """Fire for each version in the stream (Airflow 3.3)."""
        async for delivery in shared_stream:
            if delivery.news is None:
                since = await self._load()
                if not delivery.begins.done():
                    delivery.begins.set_result(since)
                continue
            delivery.save = self._save
            if delivery.news.version is not None:
                yield self._event(delivery.news.version)

    async def news(self, since: Watermark | None) -> AsyncIterator[VersionEvent]:
        """Listen for versions.

        Args:
            since: From where to go on; None where the trigger runs for the first time.
        """
        from airflow_provider_wriftai.domain.waiting.event_stream import stream_versions

        condition = self._condition if since is None else self._condition.with_newer_than(since)
        hook = WriftAIHook(self.wriftai_conn_id)
        async for news in stream_versions(
            condition, self.poll_interval, self.seconds_between_events, self.wriftai_conn_id, hook.aget_conn
        ):
            yield news

    def _event(self, version: Version) -> TriggerEvent:
        told = {name: value for name, value in version.items() if name != "schemas"}
        self.log.info("%s was published.", version["reference"])
        count("published.events")
        return TriggerEvent({"model": self.model, **told})  # type: ignore[no-untyped-call]

    @property
    def _mark(self) -> str:
        """Under which key of the asset's state store the mark is kept: another one for other versions."""
        meant = json.dumps([self.wriftai_conn_id, self.model, self.release_notes, self.newer_than])
        return f"wriftai_published_{hashlib.sha256(meant.encode()).hexdigest()[:16]}"

    @property
    def _store(self) -> Any:
        # Where a watcher's trigger belongs to one asset, this is that asset's; Airflow before 3.3 has none.
        return getattr(self, "asset_state_store", None)

    async def _load(self) -> Watermark | None:
        from airflow_provider_wriftai.domain.watermark import Watermark

        while True:
            try:
                kept = await self._store.aget(self._mark)
                break
            except Exception as error:  # noqa: BLE001 - a trigger that raises is restarted for ever, and nobody told
                # So Airflow says that several assets are watched by this trigger; its subclasses are failures.
                if type(error) is ValueError:
                    self.log.warning("Airflow keeps no mark, so the events begin with what is published now: %s", error)
                    return None
                self.log.error("The mark cannot be read; trying again in %.0f s: %s", self.poll_interval, error)  # noqa: TRY400
            await asyncio.sleep(self.poll_interval)
        try:
            return None if kept is None else Watermark.from_json(kept)
        except (AttributeError, KeyError, TypeError, ValueError):
            self.log.error("The mark is %r, which is none; the events begin with what is published now.", kept)  # noqa: TRY400
            return None

    async def _save(self, watermark: Watermark) -> None:
        try:
            await self._store.aset(self._mark, watermark.to_json())
        except Exception as error:  # noqa: BLE001 - the next one is saved again, and stands for this one too
            self.log.warning("The mark cannot be moved: %s", error)
