"""Task instances as operators use them, among them one that somebody marks while it runs."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any


class TaskInstance:
    """The part of a task instance that an operator uses.

    Attributes:
        pushed: The values that were pushed to XCom, by their keys.
    """

    def __init__(self) -> None:
        self.pushed: dict[str, Any] = {}

    def xcom_push(self, key: str, value: Any) -> None:
        self.pushed[key] = json.loads(json.dumps(value))


class MarkedTaskInstance(TaskInstance):
    """A task instance whose state in Airflow's database somebody has set.

    Args:
        state: The state, or the error that reading it raises.
    """

    dag_id, task_id, run_id, map_index = "dag", "marked", "run", -1
    try_number = 1

    def __init__(self, state: str | Exception) -> None:
        super().__init__()
        self._state = state

    def get_task_states(self, **arguments: Any) -> dict[str, dict[str, str]]:
        assert arguments == {"dag_id": "dag", "map_index": None, "task_ids": ["marked"], "run_ids": ["run"]}
        if isinstance(self._state, Exception):
            raise self._state
        return {"run": {"marked": self._state}}


class APIServerError(Exception):
    """What the task SDK raises if Airflow's API server answers with an error.

    Args:
        status: The status of the response; None without a response.
    """

    def __init__(self, status: int | None) -> None:
        super().__init__(f"API_SERVER_ERROR: {status}")
        self.error = SimpleNamespace(detail=None if status is None else {"status_code": status})


class TaskStateStore:
    """The state store of a task (Airflow 3.3).

    Args:
        error: What the API server answers to a delete, if that fails.

    Attributes:
        values: The values, by their keys.
    """

    def __init__(self, error: Exception | None = None) -> None:
        self.values: dict[str, Any] = {}
        self._error = error

    def get(self, key: str) -> Any:
        return self.values.get(key)

    def set(self, key: str, value: Any) -> None:
        self.values[key] = json.loads(json.dumps(value))

    def delete(self, key: str) -> None:
        if self._error is not None:
            raise self._error
        self.values.pop(key, None)
