"""The differences between the supported versions of Airflow.

No other file of the package checks Airflow's version, falls back to another import, uses a private attribute of
Airflow, or repeats one of its internal strings. ``_LOCATIONS`` has the module of each name, by the first Airflow that
has it there. They are chosen by version rather than by trial: an old location that still works may warn, and a broken
dependency must not look like an old Airflow.

Names are resolved when they are first imported (PEP 562), so that a DAG file loads only what it uses.
"""

from __future__ import annotations

import inspect
import re
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

import airflow

__all__ = [
    "AIRFLOW_VERSION",
    "AIRFLOW_V_3_0_PLUS",
    "HAS_WATCHERS",
    "LINKS_ARE_STORED",
    "TRIGGERS_END_TASKS",
    "TRIGGER_FAILED",
    "TRIGGER_TIMED_OUT",
    "AdvanceItem",
    "AirflowException",
    "AirflowFailException",
    "AirflowNotFoundException",
    "AirflowSensorTimeout",
    "AirflowSkipException",
    "AirflowTaskTimeout",
    "Asset",
    "AssetAlias",
    "AssetWatcher",
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
    "find_last_try",
    "find_reason_for_worker",
    "has_post_execute_hook",
    "has_pre_execute_hook",
    "is_not_found",
    "run_sensor_loop",
    "store_xcom",
    "trigger_timeout_of",
]

AIRFLOW_VERSION: Final = tuple(int(number) for number in re.findall(r"\d+", airflow.__version__)[:3])
AIRFLOW_V_3_0_PLUS: Final = AIRFLOW_VERSION >= (3, 0)

HAS_WATCHERS: Final = AIRFLOW_V_3_0_PLUS
"""Whether triggers can watch assets, and start DAGs."""

LINKS_ARE_STORED: Final = AIRFLOW_V_3_0_PLUS
"""Whether Airflow computes an extra link on the worker when the task ends, and stores it. Airflow 2 computes it in the
web server."""

TRIGGER_FAILED: Final = "__fail__"
"""The method that Airflow resumes when a trigger ended without an event."""

TRIGGER_TIMED_OUT: Final = "Trigger timeout"
"""The reason that Airflow then gives if the deferral timed out."""

TRIGGERS_END_TASKS: Final = AIRFLOW_VERSION >= (3, 3)
"""Whether a trigger can start its task, and end it as a worker would. Before 3.3, the triggerer does not render
templates, ``start_from_trigger`` is ignored (3.1, 3.2), and storing an XCom from the triggerer is untested."""

if AIRFLOW_VERSION < (2, 11):
    raise ImportError(f"airflow-provider-wriftai requires Airflow 2.11 or later; found {airflow.__version__}.")

if TYPE_CHECKING:
    from datetime import datetime

    from airflow.sdk import (
        Asset,
        AssetAlias,
        AssetWatcher,
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
        AirflowTaskTimeout,
        TaskDeferred,
    )
    from airflow.sdk.execution_time.xcom import XCom
    from airflow.sdk.observability.stats import Stats
    from airflow.triggers.base import BaseEventTrigger
    from airflow.triggers.shared_stream import AdvanceItem, SharedStreamProducer
else:
    _EXCEPTIONS = {(3, 2): "airflow.sdk.exceptions", (2, 11): "airflow.exceptions"}

    # The oldest location comes last; "module:name" if the name is another one there.
    _LOCATIONS = {
        "AdvanceItem": {(3, 3): "airflow.triggers.shared_stream", (2, 11): "builtins:tuple"},
        "AirflowException": _EXCEPTIONS,
        "AirflowFailException": _EXCEPTIONS,
        "AirflowNotFoundException": _EXCEPTIONS,
        "AirflowSensorTimeout": _EXCEPTIONS,
        "AirflowSkipException": _EXCEPTIONS,
        "AirflowTaskTimeout": _EXCEPTIONS,
        "Asset": {(3, 0): "airflow.sdk", (2, 11): "airflow.datasets:Dataset"},
        "AssetAlias": {(3, 0): "airflow.sdk", (2, 11): "airflow.datasets:DatasetAlias"},
        "AssetWatcher": {(3, 0): "airflow.sdk", (2, 11): "builtins:object"},
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
        """Import a name from its location in the Airflow that is installed."""
        locations = _LOCATIONS.get(name)
        if locations is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        location = next(location for since, location in locations.items() if since <= AIRFLOW_VERSION)
        module, _, own_name = location.partition(":")
        value = globals()[name] = getattr(import_module(module), own_name or name)
        return value


def run_sensor_loop(sensor: BaseSensorOperator, context: Context) -> object:
    """Run the poke loop of Airflow's base class for a sensor whose own ``execute`` is running.

    Airflow 2.11 treats a call of the base's ``execute`` as one from outside a task: it warns, and fails a task with
    ``allow_nested_operators=False``. The function that it wraps has no such check.
    """
    base = import_module(__name__).BaseSensorOperator
    return inspect.unwrap(base.execute)(sensor, context)


def find_reason_for_worker(task: Any) -> str | None:
    """Return why a task that has its result still needs a worker to end; None if the triggerer can end it.

    Args:
        task: The task, on a worker, or as the triggerer knows it.
    """
    if not TRIGGERS_END_TASKS:
        return "Airflow is older than 3.3"
    needs = {
        "it has outlets": task.outlets,
        "it has a success callback": getattr(task, "has_on_success_callback", False)
        or getattr(task, "on_success_callback", None),
        "it has a post-execute hook": has_post_execute_hook(task),
        "it pushes multiple outputs": task.multiple_outputs,
        "it has a map index template": task.map_index_template,
        "it returns the result of its DAG": getattr(task, "returns_dag_result", False),
        "another task is mapped over its result": task.has_dag() and next(iter(task.iter_mapped_dependants()), None),
        "a listener (such as OpenLineage) is notified of successful tasks": _has_success_listeners(),
    }
    return next((reason for reason, applies in needs.items() if applies), None)


def has_pre_execute_hook(task: object) -> bool:
    """Return whether the DAG gave a task a ``pre_execute`` or ``on_execute_callback``. Only a worker runs them."""
    return getattr(task, "_pre_execute_hook", None) is not None or bool(getattr(task, "on_execute_callback", None))


def has_post_execute_hook(task: object) -> bool:
    """Return whether the DAG gave a task a ``post_execute`` of its own. The triggerer does not know it."""
    return getattr(task, "_post_execute_hook", None) is not None


def find_last_try(task_instance: Any) -> tuple[int, str | None] | None:
    """Return the number and state of a task's last try from the database; None if there is no such task, and on Airflow
    3, whose tasks cannot read the database."""
    if AIRFLOW_V_3_0_PLUS:
        return None
    from airflow.models import TaskInstance
    from airflow.utils.session import create_session
    from sqlalchemy import select

    last = TaskInstance
    with create_session() as session:
        found = session.execute(
            select(last.try_number, last.state).where(
                last.dag_id == task_instance.dag_id,
                last.task_id == task_instance.task_id,
                last.run_id == task_instance.run_id,
                last.map_index == task_instance.map_index,
            )
        ).first()
    return None if found is None else (found[0], found[1])


def is_not_found(error: Exception) -> bool:
    """Return whether an error of the task SDK says that Airflow's API server answered 404 or 410."""
    detail = getattr(getattr(error, "error", None), "detail", None)
    return isinstance(detail, dict) and detail.get("status_code") in (404, 410)


def _has_success_listeners() -> bool:
    from airflow.sdk.listener import get_listener_manager

    return bool(get_listener_manager().hook.on_task_instance_success.get_hookimpls())


def store_xcom(task_instance: Any, key: str, value: object, *, through_backend: bool = True) -> None:
    """Store an XCom of a task instance from the triggerer, as its worker would.

    Args:
        task_instance: The task instance, as the triggerer knows it.
        key: The key.
        value: The value.
        through_backend: Whether it goes to a custom XCom backend. Extra links never do.
    """
    from airflow.sdk.execution_time.xcom import XCom

    store = XCom.set if through_backend else XCom._set_xcom_in_db
    store(
        key=key,
        value=value,
        dag_id=task_instance.dag_id,
        task_id=task_instance.task_id,
        run_id=task_instance.run_id,
        map_index=task_instance.map_index,
    )


def trigger_timeout_of(trigger: object) -> datetime | None:
    """Return when the deferral of a running trigger times out, if it does. Airflow stores the moment, so it survives a
    restart of the triggerer."""
    from datetime import UTC, datetime

    moment = getattr(trigger, "timeout_after", None)
    return moment.replace(tzinfo=moment.tzinfo or UTC) if isinstance(moment, datetime) else None


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
