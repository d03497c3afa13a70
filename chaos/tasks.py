"""A task of Airflow in a process of its own: its operator, what it keeps over its tries, and how each try ended.

Airflow is imported by what runs a task, never by what only describes one.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import time
import traceback
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

Operator = Literal["publish", "prune", "wait"]
State = Literal["success", "failed", "failed for good", "timed out", "crashed"]

DIGEST = "sha256:" + "ab" * 32
"""The image that a task publishes."""

PRELOADED = (
    "airflow_provider_wriftai.operators.cleanup",
    "airflow_provider_wriftai.operators.versions",
    "airflow_provider_wriftai.sensors.versions",
    "airflow_provider_wriftai.client.versions",
    "airflow_provider_wriftai._airflow.failures",
    "airflow_provider_wriftai._airflow.connection_settings",
    "airflow_provider_wriftai.domain.publishing.preflight",
    "airflow_provider_wriftai.domain.publishing.publish",
    "airflow_provider_wriftai.domain.retention.prune",
    "airflow_provider_wriftai.domain.waiting.poller_pool",
    "airflow_provider_wriftai.domain.waiting.sync_wait",
)
"""What a task needs, so that it need not be loaded for each."""


@dataclass(frozen=True, slots=True)
class Task:
    """A task and where it leaves what it keeps.

    Attributes:
        operator: Which one.
        arguments: Its arguments.
        folder: Where its memory, its log and what came of each try are.
        remembers: Whether Airflow offers it a memory over its tries.
    """

    operator: Operator
    arguments: Mapping[str, Any]
    folder: Path
    remembers: bool = True

    def ended(self, number: int) -> Ended | None:
        """How a try ended; None where it was killed before it could tell."""
        file = self.folder / f"try-{number}.json"
        return Ended(**json.loads(file.read_text())) if file.exists() else None

    def give_up(self, number: int, seconds: float) -> None:
        """Write down that a try has not ended within so many seconds."""
        now = time.monotonic()
        ended = Ended("crashed", None, f"It did not end within {seconds:.0f} s.", now - seconds, now)
        _write(self.folder / f"try-{number}.json", asdict(ended))


@dataclass(frozen=True, slots=True)
class Ended:
    """How a try of a task ended.

    Attributes:
        state: ``success``; ``failed``, and Airflow tries again; ``failed for good``; ``timed out``; ``crashed``: by an
            error that is none of ours.
        result: What it returned, or kept all the same.
        error: What it said.
        began: When it began, in seconds of the machine's clock that nobody sets.
        ended: When it ended.
    """

    state: State
    result: Any
    error: str
    began: float
    ended: float


class StateStore:
    """As Airflow's task state store: what is set is there when the process is killed."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def _read(self) -> dict[str, Any]:
        return json.loads(self._file.read_text()) if self._file.exists() else {}

    def get(self, key: str) -> Any:
        return self._read().get(key)

    def set(self, key: str, value: Any) -> None:
        _write(self._file, {**self._read(), key: value})


class TaskInstance(SimpleNamespace):
    """What an operator needs of Airflow's: it counts tries, and keeps what is pushed."""

    def xcom_push(self, key: str, value: Any) -> None:
        self.pushed[key] = value


def carry_out(task: Task, number: int, connection: Mapping[str, Any]) -> None:
    """Run a try of a task, and write down how it ended.

    Args:
        task: The task.
        number: Which try, counted from 1.
        connection: The Airflow connection that it uses.
    """
    os.environ["AIRFLOW_CONN_WRIFTAI_DEFAULT"] = json.dumps(connection)
    # What Airflow itself prints, and the traceback of what dies.
    with (task.folder / "output").open("ab") as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    log = logging.FileHandler(task.folder / "log")
    log.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[log], force=True)
    logging.getLogger("airflow").setLevel(logging.ERROR)
    began = time.monotonic()
    ti = TaskInstance(try_number=number, max_tries=3, task=SimpleNamespace(retries=3), pushed={})
    context: dict[str, Any] = {"ti": ti}
    if task.remembers:
        context["task_state_store"] = StateStore(task.folder / "memory.json")
    state, result, error = _execute(task, context)
    log.close()
    result = ti.pushed.get("return_value") if result is None else result
    ended = Ended(state, result, error, began, time.monotonic())
    _write(task.folder / f"try-{number}.json", asdict(ended))


def _execute(task: Task, context: dict[str, Any]) -> tuple[State, Any, str]:
    from airflow_provider_wriftai._airflow.compat import AirflowException, AirflowFailException, AirflowSensorTimeout
    from airflow_provider_wriftai.client.errors import WriftAIError

    try:
        return "success", _run(task, context), ""
    except AirflowFailException as failure:
        return "failed for good", None, str(failure)
    except AirflowSensorTimeout as failure:
        return "timed out", None, str(failure)
    except (WriftAIError, AirflowException) as failure:
        return "failed", None, str(failure)
    except Exception:  # noqa: BLE001 - whatever it is, it has to be told
        return "crashed", None, traceback.format_exc()


def _run(task: Task, context: dict[str, Any]) -> Any:
    from airflow_provider_wriftai._airflow.compat import TaskDeferred
    from airflow_provider_wriftai.operators.cleanup import WriftAICleanupVersionsOperator
    from airflow_provider_wriftai.operators.versions import WriftAICreateVersionOperator
    from airflow_provider_wriftai.sensors.versions import WriftAIVersionSensor

    classes: dict[Operator, Any] = {
        "publish": WriftAICreateVersionOperator,
        "prune": WriftAICleanupVersionsOperator,
        "wait": WriftAIVersionSensor,
    }
    operator = classes[task.operator](task_id=task.operator, **task.arguments)
    try:
        result = operator.execute(context)
    except TaskDeferred as deferral:
        event = asyncio.run(_first_event(deferral.trigger))
        result = operator.resume_execution(deferral.method_name, {"event": event}, context)
    return getattr(result, "xcom_value", result)


async def _first_event(trigger: Any) -> Any:
    """Run a trigger as the triggerer does, from what it says of itself."""
    _, arguments = trigger.serialize()
    made_again = type(trigger)(**json.loads(json.dumps(arguments)))
    event = await anext(made_again.run())
    return json.loads(json.dumps(event.payload))


def _write(file: Path, value: Any) -> None:
    """Write a file such that it is there whole, or not at all."""
    partial = file.with_suffix(".partial")
    partial.write_text(json.dumps(value))
    partial.replace(file)
