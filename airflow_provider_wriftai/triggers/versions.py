"""The trigger that waits for a version."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_wriftai._airflow.connection import DEFAULT_CONNECTION_ID
from airflow_provider_wriftai.hooks.wriftai import WriftAIHook

if TYPE_CHECKING:
    from airflow_provider_wriftai.domain.waiting.poller import Wait


class WriftAIVersionTrigger(BaseTrigger):
    """Waits in the triggerer until a version is there.

    All waits of a triggerer on one model and connection share one poll. Its one event is a mapping with ``status``:
    ``ready`` (and ``version``), ``timeout`` (and ``message``) or ``failed`` (and ``message``, and ``final``: whether no
    retry can fix it).

    Args:
        condition: What is waited for: ``waiting.condition.Criteria`` as JSON, such as ``{"version": "acme/det:7"}``.
        poll_interval: Seconds between looks.
        deadline: When the wait is over, as an ISO 8601 time with a time zone. It outlasts the triggerer's restarts.
        exponential_backoff: Whether the interval doubles from look to look.
        max_wait: Seconds that it grows to at the most.
        max_consecutive_failures: How many looks in a row may fail; None: any number.
        wriftai_conn_id: The Airflow connection.
    """

    def __init__(
        self,
        *,
        condition: Mapping[str, Any],
        poll_interval: float,
        deadline: str,
        exponential_backoff: bool = False,
        max_wait: float | None = None,
        max_consecutive_failures: int | None = None,
        wriftai_conn_id: str = DEFAULT_CONNECTION_ID,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.condition = condition
        self.poll_interval = poll_interval
        self.deadline = deadline
        self.exponential_backoff = exponential_backoff
        self.max_wait = max_wait
        self.max_consecutive_failures = max_consecutive_failures
        self.wriftai_conn_id = wriftai_conn_id

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Tell how to make this trigger again."""
        return f"{type(self).__module__}.{type(self).__qualname__}", {
            "condition": self.condition,
            "poll_interval": self.poll_interval,
            "deadline": self.deadline,
            "exponential_backoff": self.exponential_backoff,
            "max_wait": self.max_wait,
            "max_consecutive_failures": self.max_consecutive_failures,
            "wriftai_conn_id": self.wriftai_conn_id,
        }

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait until the version is there or the deadline has passed."""
        from airflow_provider_wriftai._airflow.metrics import count
        from airflow_provider_wriftai.client.errors import WriftAIError
        from airflow_provider_wriftai.domain.waiting.errors import WaitTimedOutError
        from airflow_provider_wriftai.domain.waiting.poller_pool import wait_for

        event: dict[str, Any]
        try:
            hook = WriftAIHook(self.wriftai_conn_id)
            found = await wait_for(self.wriftai_conn_id, hook.aget_conn, self._wait)
            event = {"status": "ready", "version": found.versions[-1]}
        except WaitTimedOutError as error:
            event = {"status": "timeout", "message": str(error)}
        except WriftAIError as error:
            event = {"status": "failed", "message": str(error), "final": not error.retryable}
        count(f"wait.{event['status']}")
        yield TriggerEvent(event)  # type: ignore[no-untyped-call]

    def _wait(self) -> Wait:
        from airflow_provider_wriftai.domain.waiting.criteria import Criteria
        from airflow_provider_wriftai.domain.waiting.poll_interval import PollInterval
        from airflow_provider_wriftai.domain.waiting.poller import Wait

        return Wait(
            Criteria.from_json(self.condition),
            PollInterval(self.poll_interval, self.exponential_backoff, self.max_wait),
            seconds=(datetime.fromisoformat(self.deadline) - datetime.now(UTC)).total_seconds(),
            most_failures=self.max_consecutive_failures,
            tell=self.log.info,
        )
