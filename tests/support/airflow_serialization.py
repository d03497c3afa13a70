"""Send values through the serialization of the Airflow that runs the tests."""

from __future__ import annotations

import importlib
import json
from types import SimpleNamespace
from typing import Any

import airflow

AIRFLOW = tuple(map(int, airflow.__version__.split(".")[:2]))


def round_trip_xcom(value: Any) -> Any:
    """Return a task's result as another task reads it from XCom."""
    if AIRFLOW < (3, 0):
        xcom = importlib.import_module("airflow.models.xcom").BaseXCom
        return xcom.deserialize_value(SimpleNamespace(value=xcom.serialize_value(value)))
    xcom = importlib.import_module("airflow.sdk.bases.xcom").BaseXCom
    stored = _through_processes(xcom.serialize_value(value))
    return xcom.deserialize_value(SimpleNamespace(value=_through_database(stored)))


def round_trip_event(payload: Any) -> Any:
    """Return the payload of a trigger's event as the deferred task receives it."""
    from airflow.triggers.base import TriggerEvent

    if AIRFLOW >= (3, 0):
        payload = _through_triggerer(payload)
    event = TriggerEvent(payload)  # type: ignore[no-untyped-call]
    kwargs = {"event": event.payload}
    if AIRFLOW >= (3, 2):
        serde = importlib.import_module("airflow.sdk.serde")
        return serde.deserialize(_through_database(serde.serialize(kwargs)))["event"]
    base = importlib.import_module("airflow.serialization.serialized_objects").BaseSerialization
    return base.deserialize(_through_database(base.serialize(kwargs)))["event"]


def round_trip_asset_event(extra: Any) -> Any:
    """Return the extra of an asset event as a DAG that the asset triggers reads it."""
    return _through_database(_through_processes(extra) if AIRFLOW >= (3, 0) else extra)


def _through_triggerer(payload: Any) -> Any:
    """Pass an event's payload from the process that runs the triggers to the one that stores their events."""
    from pydantic import TypeAdapter

    base = importlib.import_module("airflow.triggers.base")
    adapter = TypeAdapter(base.DiscrimatedTriggerEvent)
    dumped = _through_processes(adapter.dump_python(base.TriggerEvent(payload), mode="json"))
    return adapter.validate_python(dumped).payload


def _through_processes(value: Any) -> Any:
    msgspec = importlib.import_module("msgspec")
    return msgspec.msgpack.decode(msgspec.msgpack.encode(value))


def _through_database(value: Any) -> Any:
    """Store a value as PostgreSQL stores JSON: in UTF-8, without NUL characters, with finite numbers only."""
    text = json.dumps(value, allow_nan=False)
    assert "\\u0000" not in text.replace("\\\\", "")
    json.dumps(value, ensure_ascii=False).encode()
    return json.loads(text)
