"""The trigger that makes an event for each published version."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import TriggerEvent

from airflow_provider_wriftai._airflow.compat import BaseEventTrigger
from airflow_provider_wriftai._airflow.connection import DEFAULT_CONNECTION_ID
from airflow_provider_wriftai._airflow.metrics import count
from airflow_provider_wriftai.hooks.wriftai import WriftAIHook

if TYPE_CHECKING:
    from collections.abc import Hashable

    from airflow_provider_wriftai._airflow.checkpoint_store import AssetStateStore, CheckpointStore
    from airflow_provider_wriftai._airflow.compat import SharedStreamProducer
    from airflow_provider_wriftai.client.references import ModelReference
    from airflow_provider_wriftai.client.version import VersionRecord
    from airflow_provider_wriftai.domain.waiting.criteria import NewerThan
    from airflow_provider_wriftai.domain.waiting.event_stream import Checkpoint, VersionEvent
    from airflow_provider_wriftai.triggers.version_stream import Delivery

_LONGEST_RETRY_DELAY = 60.0


class WriftAIVersionPublishedTrigger(BaseEventTrigger):
    """Make an event for each version of a model that anybody publishes (Airflow 3).

    It belongs to the assets of :func:`~airflow_provider_wriftai.assets.models.watched_model`, which should be used
    instead of your own ``AssetWatcher``: an asset loses its watchers if two DAG files declare different ones.

    Events come oldest version first. The payload of each is a
    :class:`~airflow_provider_wriftai.assets.events.PublishedVersion`. All triggers and waits of a triggerer on one
    model and connection share one poll.

    On Airflow 3.3 a checkpoint in the asset's state store survives restarts of the triggerer. It moves once Airflow has
    stored the event, so every version makes one. If the triggerer ends between the two, the version is delivered again.
    Before 3.3, versions that are published while no triggerer runs are not delivered.

    Equal arguments in different forms (``3`` and ``"acme/det:3"``, a number of seconds and a ``timedelta``) serialize
    to the same values.

    Args:
        model: ``owner/name``.
        release_notes: A regular expression. Only versions whose release notes match it make events.
        newer_than: Where the events begin when the trigger has no checkpoint: a version's reference or number, or a
            time with its time zone. By default, with versions published from then on.
        poll_interval: Seconds between two polls.
        seconds_between_events: The least number of seconds between two events.
        wriftai_conn_id: The Airflow connection. It is read again every five minutes.

    Raises:
        InvalidReferenceError: The model is not ``owner/name``.
        InvalidPatternError: ``release_notes`` is not a regular expression.
        InvalidCriteriaError: ``newer_than`` is invalid.
        InvalidParameterError: Another argument is invalid.
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
        from airflow_provider_wriftai._airflow.parameters import (
            InvalidParameterError,
            parse_model,
            parse_seconds,
            parse_static,
        )
        from airflow_provider_wriftai.client.text import truncated_repr
        from airflow_provider_wriftai.domain.waiting.criteria import START, Criteria, read_pattern

        super().__init__()  # type: ignore[no-untyped-call]
        # Parsed here already, so that a mistake is an import error of the DAG file.
        reference = parse_model("model", model)
        if not isinstance(release_notes, str | None):
            raise InvalidParameterError(f"release_notes must be text; got {truncated_repr(release_notes)}.")
        begins = START if newer_than is None else _parse_newer_than(reference, newer_than)
        self._criteria = Criteria(
            model=reference,
            newer_than=begins,
            release_notes=None if release_notes is None else read_pattern(release_notes),
        )
        self.model = str(reference)
        self.release_notes = release_notes
        self.newer_than = _to_json(begins)
        self.poll_interval = parse_seconds("poll_interval", poll_interval)
        self.seconds_between_events = parse_seconds("seconds_between_events", seconds_between_events)
        self.wriftai_conn_id = parse_static("wriftai_conn_id", wriftai_conn_id)

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class and the arguments of the trigger."""
        return f"{type(self).__module__}.{type(self).__qualname__}", {
            "model": self.model,
            "release_notes": self.release_notes,
            "newer_than": self.newer_than,
            "poll_interval": self.poll_interval,
            "seconds_between_events": self.seconds_between_events,
            "wriftai_conn_id": self.wriftai_conn_id,
        }

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Make an event for each version, where Airflow does not confirm that an event was stored."""
        async for event in self.listen(None):
            if event.version is not None:
                yield self._event(event.version)

    def shared_stream_key(self) -> Hashable | None:
        """Return the key of a shared stream if Airflow keeps a checkpoint: only a stream learns of stored events.

        The stream is this trigger's own. The poll is still shared, and not only with triggers of this class.
        """
        if self._store is None:
            return None
        return json.dumps(self.serialize(), sort_keys=True)

    @classmethod
    def create_shared_stream_producer(cls, kwargs: dict[str, Any]) -> SharedStreamProducer:
        """Return the stream of the versions (Airflow 3.3)."""
        from airflow_provider_wriftai.triggers.version_stream import VersionStream

        return VersionStream(cls(**kwargs).listen)

    async def filter_shared_stream(self, shared_stream: AsyncIterator[Delivery]) -> AsyncIterator[TriggerEvent]:
        """Make an event for each version in the stream (Airflow 3.3)."""
        checkpoints = self.checkpoints()
        async for delivery in shared_stream:
            event = delivery.event
            if event is None:
                since = await checkpoints.load()
                if not delivery.start.done():
                    delivery.start.set_result(since)
                continue
            delivery.save = checkpoints.save
            if event.version is None:
                continue
            if await checkpoints.is_delivered(event.version, event.checkpoint.service):
                self.log.info("Another triggerer has already delivered %s.", event.version.reference)
                continue
            yield self._event(event.version)

    async def listen(self, since: Checkpoint | None) -> AsyncIterator[VersionEvent]:
        """Yield each version that is published.

        Args:
            since: The checkpoint to continue from; None if there is none.
        """
        from airflow_provider_wriftai.domain.waiting.event_stream import stream_versions

        async for event in stream_versions(
            self._criteria,
            poll_interval=self.poll_interval,
            seconds_between_events=self.seconds_between_events,
            open_api=WriftAIHook(self.wriftai_conn_id).aget_conn,
            since=since,
        ):
            yield event

    def checkpoints(self) -> CheckpointStore:
        """Return the store of the checkpoint (Airflow 3.3)."""
        from airflow_provider_wriftai._airflow.checkpoint_store import CheckpointStore
        from airflow_provider_wriftai.client.backoff import Backoff

        store = self._store
        if store is None:
            raise RuntimeError("Airflow before 3.3 has no state store for assets.")
        return CheckpointStore(store, self.checkpoint_key, Backoff(1.0, maximum=_LONGEST_RETRY_DELAY))

    @property
    def checkpoint_key(self) -> str:
        """The key of the checkpoint in the asset's state store: a different one for different versions."""
        identity = json.dumps([self.wriftai_conn_id, self.model, self.release_notes, self.newer_than])
        return f"wriftai_checkpoint_{hashlib.sha256(identity.encode()).hexdigest()[:16]}"

    @property
    def _store(self) -> AssetStateStore | None:
        # Airflow sets it for the trigger of a watcher; before 3.3 there is no such attribute.
        store: AssetStateStore | None = getattr(self, "asset_state_store", None)
        return store

    def _event(self, version: VersionRecord) -> TriggerEvent:
        from airflow_provider_wriftai.domain.results import version_result

        self.log.info("%s was published.", version.reference)
        count("published.events")
        return TriggerEvent(version_result(version, model=self.model, outcome="published"))  # type: ignore[no-untyped-call]


def _parse_newer_than(model: ModelReference, value: object) -> NewerThan:
    from airflow_provider_wriftai._airflow.parameters import InvalidParameterError
    from airflow_provider_wriftai.client.references import VersionId
    from airflow_provider_wriftai.client.text import truncated_repr
    from airflow_provider_wriftai.domain.waiting.criteria import read_newer_than

    begins = read_newer_than(model, value)
    if isinstance(begins, VersionId) and begins.id.isalpha():
        # An id of a version has digits. A watcher with a mistyped word would fail forever, where nobody looks.
        raise InvalidParameterError(
            "newer_than must be a version's reference, number, or id, or a time with its time zone; got "
            f"{truncated_repr(value)}."
        )
    return begins


def _to_json(newer_than: NewerThan) -> str | int | None:
    """Return the canonical JSON of ``newer_than``."""
    from airflow_provider_wriftai.client.references import VersionId
    from airflow_provider_wriftai.domain.watermark import Watermark

    match newer_than:
        case Watermark(number=int(number)):
            return number
        case Watermark(oldest=datetime() as time):
            return time.astimezone(UTC).isoformat()
        case VersionId(id=version_id):
            return version_id
    return None
