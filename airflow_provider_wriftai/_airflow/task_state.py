"""State that a task keeps across its tries, in Airflow's task state store (Airflow 3.3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class TaskState:
    """One JSON value in the task state store. It survives retries, and a user's clear.

    Args:
        store: Airflow's accessor for the running task instance.
        key: The key of the value.
    """

    def __init__(self, store: Any, key: str) -> None:
        self._store = store
        self._key = key

    def load(self) -> Any:
        """Return what was saved last; None if nothing was."""
        return self._store.get(self._key)

    def save(self, value: dict[str, Any]) -> None:
        """Save a value. It is in Airflow's database when this returns."""
        self._store.set(self._key, value)


def find_task_state(context: Mapping[str, Any], key: str) -> TaskState | None:
    """Find the state of the running task.

    Args:
        context: The context of the task.
        key: The key of the value.

    Returns:
        The state; None before Airflow 3.3.
    """
    store = context.get("task_state_store")
    return None if store is None else TaskState(store, key)


def is_retry(context: Mapping[str, Any]) -> bool:
    """Return whether the running try is not the task's first, after a failure or a user's clear."""
    task_instance = context.get("ti")
    return task_instance is not None and task_instance.try_number > 1
