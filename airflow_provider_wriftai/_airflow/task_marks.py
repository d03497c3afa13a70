"""Find out how somebody marked a running task."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_provider_wriftai._airflow.compat import Context

log = logging.getLogger(__name__)


def find_mark(context: Context) -> str | None:
    """Return the state that Airflow's database has for the running task if somebody marked it: success or failed.

    Airflow 3 only sends SIGTERM to such a task. A worker that shuts down does the same, so only the state distinguishes
    the two. Airflow 2 raises an exception in the task, and checks the state itself.
    """
    ti = context.get("ti")
    get_states = getattr(ti, "get_task_states", None)
    if ti is None or get_states is None:
        return None
    map_index = ti.map_index if ti.map_index is not None and ti.map_index >= 0 else None
    try:
        states = get_states(dag_id=ti.dag_id, map_index=map_index, task_ids=[ti.task_id], run_ids=[ti.run_id])
    except Exception:  # the task is ending, and Airflow may no longer respond to it
        log.debug("The state of the task is unknown.", exc_info=True)
        return None
    found = {state for of_run in states.values() for state in of_run.values()}
    return next(iter(found)) if found in ({"success"}, {"failed"}) else None
