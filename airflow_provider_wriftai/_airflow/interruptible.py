"""Let Airflow stop an operator at any time. No request begins afterwards."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_provider_wriftai._airflow.compat import AirflowFailException
from airflow_provider_wriftai._airflow.run_async import InterruptibleRun
from airflow_provider_wriftai._airflow.task_marks import REPLACED, find_mark, was_replaced

if TYPE_CHECKING:
    from airflow_provider_wriftai._airflow.compat import Context
    from airflow_provider_wriftai.client.api import API
    from airflow_provider_wriftai.client.errors import WriftAIError

T = TypeVar("T")

log = logging.getLogger(__name__)


class InterruptibleMixin:
    """Runs a coroutine that ``on_kill`` cancels. Put it before the operator's base class.

    Airflow 3 only calls ``on_kill`` when it stops a task; Airflow 2, and timeouts, also raise an exception.
    """

    _run: InterruptibleRun[Any] | None = None
    _is_stopped: bool = False

    def run_interruptibly(
        self,
        api: API,
        begin: Callable[[], Coroutine[Any, Any, T]],
        context: Context,
        stopped: Callable[[], WriftAIError],
    ) -> T | None:
        """Run a coroutine, and close the API that it uses.

        Args:
            api: The API.
            begin: Makes the coroutine. It does not return None.
            context: The context of the task.
            stopped: Makes the error to raise if Airflow stops the task meanwhile.

        Returns:
            What the coroutine returns; None if the task has to return nothing and raise no error: because it finished
            after Airflow had replaced this try, whose result would overwrite that of the later try; or because somebody
            marked it as success meanwhile. Whoever did that knows that the task did not finish, and an error would only
            run the callback for failures.
        """

        async def begin_and_close() -> T:
            async with api:
                return await begin()

        run = InterruptibleRun(begin_and_close)
        self._run = run
        if self._is_stopped:
            run.stop()
        try:
            result = run.run()
        except asyncio.CancelledError:
            error, mark = stopped(), find_mark(context)
            if mark == "failed":
                # Airflow refuses to retry such a task, and then does not run its callback.
                raise AirflowFailException(str(error)) from None
            if mark is None:
                raise error from None
            log.warning("%s The task ends without an error, because it was marked as success.", error)
            return None
        finally:
            self._run = None
        if was_replaced(context):
            log.warning(REPLACED)
            return None
        return result

    def is_stopped(self) -> bool:
        """Return whether Airflow has stopped the task."""
        return self._is_stopped

    def on_kill(self) -> None:
        """Cancel what the task does. No request begins after this."""
        self._is_stopped = True
        if self._run is not None:
            self._run.stop()
