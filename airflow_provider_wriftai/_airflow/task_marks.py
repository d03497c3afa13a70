"""Whether somebody has marked a running task."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_provider_wriftai._airflow.compat import Context

log = logging.getLogger(__name__)


def is_marked_success(context: Context) -> bool:
    """Return whether Airflow's database has the running task as successful, because somebody marked it.

    Airflow 3 tells a task nothing but SIGTERM, and so does a worker that shuts down: only the state tells them apart.
    Airflow 2 raises an exception in the task, and looks at the state itself.
    """
    ti = context.get("ti")
    ask = getattr(ti, "get_task_states", None)
    if ti is None or ask is None:
        return False
    map_index = ti.map_index if ti.map_index is not None and ti.map_index >= 0 else None
    try:
        states = ask(dag_id=ti.dag_id, map_index=map_index, task_ids=[ti.task_id], run_ids=[ti.run_id])
    except Exception:  # the task is ending, and Airflow may not answer it any more
        log.debug("The state of the task is unknown.", exc_info=True)
        return False
    found = {state for of_run in states.values() for state in of_run.values()}
    return found == {"success"}
