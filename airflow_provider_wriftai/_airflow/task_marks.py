"""Find out how somebody marked a running task, and whether Airflow has replaced the running try by another."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from airflow_provider_wriftai._airflow.compat import find_last_try, is_not_found

if TYPE_CHECKING:
    from airflow_provider_wriftai._airflow.compat import Context

log = logging.getLogger(__name__)

REPLACED = "Airflow has replaced this try of the task by a later one, whose result counts."
"""What a try that was replaced logs instead of returning its result."""

_UNUSED_KEY = "wriftai_try"
"""A key of the task state store that never has a value."""


def find_mark(context: Context) -> str | None:
    """Return the state that Airflow's database has for the running task if somebody marked it: success or failed.

    Airflow 3 only sends SIGTERM to such a task. A worker that shuts down does the same, so only the state distinguishes
    the two. Airflow 2 raises an exception in the task, and checks the state itself.

    Returns:
        The state; None if nobody marked the task, also if its state is that of another try, or unknown.
    """
    ti = context.get("ti")
    get_states = getattr(ti, "get_task_states", None)
    if ti is None or get_states is None or was_replaced(context):
        return None
    map_index = ti.map_index if ti.map_index is not None and ti.map_index >= 0 else None
    try:
        states = get_states(dag_id=ti.dag_id, map_index=map_index, task_ids=[ti.task_id], run_ids=[ti.run_id])
    except Exception:  # the task is ending, and Airflow may no longer respond to it
        log.debug("The state of the task is unknown.", exc_info=True)
        return None
    found = {state for of_run in states.values() for state in of_run.values()}
    return next(iter(found)) if found in ({"success"}, {"failed"}) else None


def was_replaced(context: Context) -> bool:
    """Return whether Airflow has replaced the running try by a later one, whose result counts.

    Airflow does so when a try's heartbeats stop. The try goes on if its machine was only suspended or cut off, and
    Airflow accepts its XComs, which would replace those of the later try. Airflow 2 also takes its end for that of the
    task, so there it counts as replaced only if the later try has succeeded.

    Returns:
        Whether it was replaced; False if that is unknown, as on Airflow 3.0 to 3.2.
    """
    store = context.get("task_state_store")
    try:
        last = find_last_try(context["ti"])
        if last is not None:
            number, state = last
            return number > context["ti"].try_number and state == "success"
        if store is not None:
            # Each try of a task has an id of its own, and Airflow looks it up before the key, which nothing uses.
            store.delete(_UNUSED_KEY)
    except Exception as error:  # the task is ending, and Airflow may no longer respond to it
        log.debug("Whether this try was replaced is unknown.", exc_info=True)
        return is_not_found(error)
    return False
