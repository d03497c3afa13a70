"""What differs between the supported versions of Airflow.

No other file of the package asks for Airflow's version, falls back to another import, uses a private attribute of
Airflow, or repeats one of its internal strings. ``_HOMES`` says where each name lives, by the first Airflow that has it
there. The homes are chosen by version rather than by trial: an old home that still works may warn, and a broken
dependency must not look like an old Airflow.

Names are resolved when they are first imported (PEP 562), so that a DAG file loads only what it uses.
"""

from __future__ import annotations

import re
from importlib import import_module
from typing import TYPE_CHECKING, Final

import airflow

__all__ = [
    "AIRFLOW_VERSION",
    "AIRFLOW_V_3_0_PLUS",
    "AIRFLOW_V_3_1_PLUS",
    "LINKS_ARE_STORED",
    "TRIGGER_FAILED",
    "TRIGGER_TIMED_OUT",
    "AdvanceItem",
    "AirflowException",
    "AirflowFailException",
    "AirflowNotFoundException",
    "AirflowSensorTimeout",
    "AirflowSkipException",
    "Asset",
    "AssetAlias",
    "BaseEventTrigger",
    "BaseHook",
    "BaseOperator",
    "BaseOperatorLink",
    "BaseSensorOperator",
    "Connection",
    "Context",
    "PokeReturnValue",
    "SharedStreamProducer",
    "Stats",
    "TaskDeferred",
    "XCom",
    "XComArg",
    "aget_connection",
    "conf",
]

AIRFLOW_VERSION: Final = tuple(int(number) for number in re.findall(r"\d+", airflow.__version__)[:3])
AIRFLOW_V_3_0_PLUS: Final = AIRFLOW_VERSION >= (3, 0)
AIRFLOW_V_3_1_PLUS: Final = AIRFLOW_VERSION >= (3, 1)

LINKS_ARE_STORED: Final = AIRFLOW_V_3_0_PLUS
"""Whether Airflow asks for an extra link where the task ran, when it ends, and stores the answer. Airflow 2 asks in the
web server."""

TRIGGER_FAILED: Final = "__fail__"
"""The method that Airflow resumes when a trigger ended without an event."""

TRIGGER_TIMED_OUT: Final = "Trigger timeout"
"""The reason that Airflow then gives when the deferral's timeout had passed."""

if AIRFLOW_VERSION < (2, 11):
    raise ImportError(f"airflow-provider-wriftai requires Airflow 2.11 or later; found {airflow.__version__}.")

if TYPE_CHECKING:
    from airflow.sdk import (
        Asset,
        AssetAlias,
        BaseHook,
        BaseOperator,
        BaseOperatorLink,
        BaseSensorOperator,
        Connection,
        Context,
        PokeReturnValue,
        XComArg,
    )
    from airflow.sdk.configuration import conf
    from airflow.sdk.exceptions import (
        AirflowException,
        AirflowFailException,
        AirflowNotFoundException,
        AirflowSensorTimeout,
        AirflowSkipException,
        TaskDeferred,
    )
    from airflow.sdk.execution_time.xcom import XCom
    from airflow.sdk.observability.stats import Stats
    from airflow.triggers.base import BaseEventTrigger
    from airflow.triggers.shared_stream import AdvanceItem, SharedStreamProducer
else:
    _EXCEPTIONS = {(3, 2): "airflow.sdk.exceptions", (2, 11): "airflow.exceptions"}

    # The oldest home comes last; "module:name" is a name of its own there.
    _HOMES = {
        "AdvanceItem": {(3, 3): "airflow.triggers.shared_stream", (2, 11): "builtins:tuple"},
        "AirflowException": _EXCEPTIONS,
        "AirflowFailException": _EXCEPTIONS,
        "AirflowNotFoundException": _EXCEPTIONS,
        "AirflowSensorTimeout": _EXCEPTIONS,
        "AirflowSkipException": _EXCEPTIONS,
        "Asset": {(3, 0): "airflow.sdk", (2, 11): "airflow.datasets:Dataset"},
        "AssetAlias": {(3, 0): "airflow.sdk", (2, 11): "airflow.datasets:DatasetAlias"},
        "BaseEventTrigger": {(3, 0): "airflow.triggers.base", (2, 11): "airflow.triggers.base:BaseTrigger"},
        "BaseHook": {(3, 1): "airflow.sdk", (2, 11): "airflow.hooks.base"},
        "BaseOperator": {(3, 0): "airflow.sdk", (2, 11): "airflow.models.baseoperator"},
        "BaseOperatorLink": {(3, 0): "airflow.sdk", (2, 11): "airflow.models.baseoperatorlink"},
        "BaseSensorOperator": {(3, 0): "airflow.sdk", (2, 11): "airflow.sensors.base"},
        "Connection": {(3, 0): "airflow.sdk", (2, 11): "airflow.models.connection"},
        "Context": {(3, 0): "airflow.sdk", (2, 11): "airflow.utils.context"},
        "PokeReturnValue": {(3, 0): "airflow.sdk", (2, 11): "airflow.sensors.base"},
        "SharedStreamProducer": {(3, 3): "airflow.triggers.shared_stream", (2, 11): "builtins:object"},
        "Stats": {(3, 2): "airflow.sdk.observability.stats", (2, 11): "airflow.stats"},
        "TaskDeferred": _EXCEPTIONS,
        "XCom": {(3, 0): "airflow.sdk.execution_time.xcom", (2, 11): "airflow.models.xcom"},
        "XComArg": {(3, 0): "airflow.sdk", (2, 11): "airflow.models.xcom_arg"},
        "conf": {(3, 2): "airflow.sdk.configuration", (2, 11): "airflow.configuration"},
    }

    def __getattr__(name):
        """Import a name from its home in the Airflow that is installed."""
        homes = _HOMES.get(name)
        if homes is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        home = next(home for since, home in homes.items() if since <= AIRFLOW_VERSION)
        module, _, own_name = home.partition(":")
        value = globals()[name] = getattr(import_module(module), own_name or name)
        return value


async def aget_connection(hook: type[BaseHook], conn_id: str) -> Connection:
    """Look up a connection on an event loop, whichever process the loop runs in.

    A trigger reaches its supervisor, which has the connections, over one channel that belongs to the triggerer's event
    loop. ``BaseHook.aget_connection`` exists since Airflow 3.1, but until 3.3.2 it masks the connection's secrets with
    a synchronous call over that channel. Before that release, the synchronous look-up runs in a thread. It must be a
    thread of asgiref: on 3.0 and 3.1 the look-up returns to the loop through asgiref, which knows the loop only in its
    own threads. In any other thread it waits for the channel in a second event loop, and fails or never ends. asgiref
    uses one thread for all look-ups of a loop, so that a worker's channel has one caller at a time.

    Args:
        hook: The hook's class.
        conn_id: The connection's id.
    """
    if AIRFLOW_VERSION >= (3, 3, 2):
        return await hook.aget_connection(conn_id)
    from asgiref.sync import sync_to_async

    return await sync_to_async(hook.get_connection)(conn_id)
