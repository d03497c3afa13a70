"""Operators that Airflow can stop at any time, without a request that begins afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_provider_wriftai._airflow.run_async import InterruptibleRun

if TYPE_CHECKING:
    from airflow_provider_wriftai.client.errors import WriftAIError

T = TypeVar("T")


class InterruptibleMixin:
    """Runs a coroutine that ``on_kill`` cancels. Put it before the operator's base class.

    Airflow 3 only calls ``on_kill`` when it stops a task; Airflow 2, and timeouts, raise an exception besides.
    """

    _run: InterruptibleRun[Any] | None = None
    _is_stopped: bool = False

    def run_interruptibly(self, begin: Callable[[], Coroutine[Any, Any, T]], stopped: WriftAIError) -> T:
        """Run a coroutine.

        Args:
            begin: Makes the coroutine.
            stopped: What to raise if Airflow stops the task meanwhile.
        """
        run = InterruptibleRun(begin)
        self._run = run
        if self._is_stopped:
            run.stop()
        try:
            return run.run()
        except asyncio.CancelledError:
            raise stopped from None
        finally:
            self._run = None

    def is_stopped(self) -> bool:
        """Return whether Airflow has stopped the task."""
        return self._is_stopped

    def on_kill(self) -> None:
        """Cancel what the task does. No request begins after this."""
        self._is_stopped = True
        if self._run is not None:
            self._run.stop()
