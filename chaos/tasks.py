"""Airflow tasks without Airflow's scheduler: each try of an operator runs in a real process that can be killed.

Only the process of a try imports Airflow.
"""

from __future__ import annotations

import functools
import json
import logging
import multiprocessing
import os
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing.context import ForkServerContext
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

Operator = Literal["publish", "prune"]
State = Literal["success", "failed", "failed for good", "crashed", "killed"]

MOST_TRIES = 4
_TRY_TIMEOUT = 120.0
_POLL_SECONDS = 0.002

_PRELOADED = (
    "airflow_provider_wriftai.operators.cleanup",
    "airflow_provider_wriftai.operators.versions",
    "airflow_provider_wriftai.client.versions",
    "airflow_provider_wriftai._airflow.connection",
    "airflow_provider_wriftai._airflow.failures",
    "airflow_provider_wriftai.domain.publishing.preflight",
    "airflow_provider_wriftai.domain.publishing.publish",
    "airflow_provider_wriftai.domain.retention.prune",
)
"""Modules that the fork server imports once for all tries."""


@dataclass(frozen=True, slots=True)
class Task:
    """A task.

    Attributes:
        arguments: The arguments of the operator.
        folder: The folder for its state, log, and results.
        has_store: Whether Airflow has a task state store.
    """

    operator: Operator
    arguments: Mapping[str, Any]
    folder: Path
    has_store: bool = True


@dataclass(frozen=True, slots=True)
class TaskResult:
    """How a task ended.

    Attributes:
        state: The state of the last try: ``success``; ``failed``, so that Airflow retries; ``failed for good``, without
            retries; ``crashed``, with an error that is not ours; or ``killed``.
        value: The return value, or what was pushed in its place.
        error: The message of the error.
        tries: The number of the last try.
        kills: How many tries were killed.
    """

    state: State
    value: Any = None
    error: str = ""
    tries: int = 0
    kills: int = 0

    @property
    def succeeded(self) -> bool:
        """Whether the task succeeded."""
        return self.state == "success"

    @property
    def has_clear_error(self) -> bool:
        """Whether the task ended with an error of ours that has a message."""
        return self.state in ("failed", "failed for good") and bool(self.error.strip())


def run_task(
    task: Task,
    connection: Mapping[str, Any],
    *,
    first: int = 1,
    tries: int = MOST_TRIES,
    before_try: Callable[[], None] = lambda: None,
    is_kill_due: Callable[[float], bool] = lambda seconds: False,
) -> TaskResult:
    """Run a task as Airflow does: until it succeeds, fails without retries, or has no tries left.

    ``is_kill_due`` returns whether to kill the process of the running try, given how many seconds it has run.
    """
    kills = 0
    for number in range(first, first + tries):
        before_try()
        _run_try(task, number, connection, is_kill_due)
        file = _result_file(task, number)
        result = json.loads(file.read_text()) if file.exists() else {"state": "killed", "error": "It was killed."}
        kills += result["state"] == "killed"
        if result["state"] not in ("failed", "killed"):
            break
    return TaskResult(**result, tries=number, kills=kills)


def _result_file(task: Task, number: int) -> Path:
    return task.folder / f"try-{number}.json"


@functools.cache
def processes() -> ForkServerContext:
    """Return a context whose processes start with Airflow loaded, as those of an executor do."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(_PRELOADED))
    return context


def _run_try(task: Task, number: int, connection: Mapping[str, Any], is_kill_due: Callable[[float], bool]) -> None:
    """Run a try in a process, and kill it when that is due.

    Raises:
        RuntimeError: The process ended without a result, or did not end in time.
    """
    process = processes().Process(target=_execute_try, args=(task, number, dict(connection)))
    process.start()
    began = time.monotonic()
    while process.exitcode is None:
        seconds = time.monotonic() - began
        if is_kill_due(seconds):
            process.kill()
            process.join()
            return
        if seconds > _TRY_TIMEOUT:
            process.kill()
            raise RuntimeError(f"A try did not end within {_TRY_TIMEOUT:.0f} s: {task}")
        process.join(_POLL_SECONDS)
    if not _result_file(task, number).exists():
        raise RuntimeError(f"A process ended without a result: {task}")


class _StateStore:
    """A stand-in for Airflow's task state store; its values outlive the process."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def _read(self) -> dict[str, Any]:
        return json.loads(self._file.read_text()) if self._file.exists() else {}

    def get(self, key: str) -> Any:
        return self._read().get(key)

    def set(self, key: str, value: Any) -> None:
        _replace(self._file, {**self._read(), key: value})


class _TaskInstance(SimpleNamespace):
    """The parts of Airflow's task instance that an operator needs."""

    def xcom_push(self, key: str, value: Any) -> None:
        self.pushed[key] = value


def _execute_try(task: Task, number: int, connection: Mapping[str, Any]) -> None:
    os.environ["AIRFLOW_CONN_WRIFTAI_DEFAULT"] = json.dumps(connection)
    with (task.folder / "output").open("ab") as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    handler = logging.FileHandler(task.folder / "log")
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.getLogger("airflow").setLevel(logging.ERROR)
    ti = _TaskInstance(
        dag_id="chaos", task_id=task.operator, run_id=task.folder.name, map_index=-1,
        try_number=number, max_tries=3, task=SimpleNamespace(retries=3), pushed={},
    )  # fmt: skip
    context: dict[str, Any] = {"ti": ti}
    if task.has_store:
        context["task_state_store"] = _StateStore(task.folder / "state.json")
    state, value, error = _execute(task, context)
    value = ti.pushed.get("return_value") if value is None else value
    _replace(_result_file(task, number), {"state": state, "value": value, "error": error})


def _execute(task: Task, context: dict[str, Any]) -> tuple[State, Any, str]:
    from airflow_provider_wriftai._airflow.compat import AirflowException, AirflowFailException
    from airflow_provider_wriftai.client.errors import WriftAIError

    try:
        return "success", _call(task, context), ""
    except AirflowFailException as failure:
        return "failed for good", None, str(failure)
    except (WriftAIError, AirflowException) as failure:
        return "failed", None, str(failure)
    except Exception:  # noqa: BLE001 - every other error is a finding
        return "crashed", None, traceback.format_exc()


def _call(task: Task, context: dict[str, Any]) -> Any:
    from airflow_provider_wriftai.operators.cleanup import WriftAICleanupVersionsOperator
    from airflow_provider_wriftai.operators.versions import WriftAICreateVersionOperator

    classes: dict[Operator, Any] = {
        "publish": WriftAICreateVersionOperator,
        "prune": WriftAICleanupVersionsOperator,
    }
    return classes[task.operator](task_id=task.operator, **task.arguments).execute(context)


def _replace(file: Path, value: Any) -> None:
    """Write a file atomically."""
    partial = file.with_suffix(".partial")
    partial.write_text(json.dumps(value))
    partial.replace(file)
