"""The triggers that wait for a version.

``WriftAIVersionTrigger`` continues a wait that a worker has begun; ``WriftAIStartedVersionTrigger`` begins one in the
triggerer. Both wait together with all others in their triggerer: those with equal settings on one model share one poll.

A trigger ends its task itself where nothing needs a worker: it stores the result, and fires ``TaskSuccessEvent``.
Everything else goes back to a worker, with an event that ``WriftAIVersionSensor.execute_complete`` reads. It does not
go back sooner than ``hold`` seconds after the trigger started: until Airflow's scheduler has processed the executor's
report that the task deferred, it takes that report for one of the resumed task, and fails it (apache/airflow#66374).
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TaskSuccessEvent, TriggerEvent

from airflow_provider_wriftai._airflow.compat import find_reason_for_worker, store_xcom, trigger_timeout_of
from airflow_provider_wriftai._airflow.connection import DEFAULT_CONNECTION_ID
from airflow_provider_wriftai._airflow.parameters import NOTSET, ExplicitParameters, NotSet, none_if_notset
from airflow_provider_wriftai.hooks.wriftai import WriftAIHook
from airflow_provider_wriftai.links.versions import WriftAIVersionLink

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_wriftai.client.api import API
    from airflow_provider_wriftai.domain.waiting.criteria import Criteria
    from airflow_provider_wriftai.domain.waiting.poll_interval import PollInterval
    from airflow_provider_wriftai.domain.waiting.poller import WaitMetrics
    from airflow_provider_wriftai.domain.waiting.wait import Wait

__all__ = ["WriftAIStartedVersionTrigger", "WriftAIVersionTrigger"]

RETURN_VALUE = "return_value"

_BEGINNING = timedelta(minutes=1)
"""How long a wait counts as new, so that what is wrong with its connection is the user's mistake."""


class InvalidTriggerArgumentError(TypeError, ValueError):
    """An argument of a trigger is invalid.

    It is a ``TypeError``, because a triggerer survives only those when it constructs a trigger.
    """


class _WaitTrigger(BaseTrigger):
    """The base class of the triggers of a wait.

    Args:
        poll_interval: Seconds between polls, or a timedelta.
        exponential_backoff: Whether the interval doubles from poll to poll.
        max_wait: Seconds, or a timedelta, that it grows to at most.
        wriftai_conn_id: The Airflow connection.
        end_from_trigger: Whether the trigger may end its task, if nothing needs a worker.
        do_xcom_push: Whether it then stores the version as the result of the task.

    Raises:
        InvalidTriggerArgumentError: An argument is invalid.
    """

    hold: float = 0.0

    def __init__(
        self,
        *,
        poll_interval: float | timedelta,
        exponential_backoff: bool,
        max_wait: float | timedelta | None,
        wriftai_conn_id: str,
        end_from_trigger: bool,
        do_xcom_push: bool,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.poll_interval = _seconds("poll_interval", poll_interval)
        self.exponential_backoff = exponential_backoff
        self.max_wait = None if max_wait is None else _seconds("max_wait", max_wait)
        self.wriftai_conn_id = wriftai_conn_id
        self.end_from_trigger = end_from_trigger
        self.do_xcom_push = do_xcom_push

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class and the arguments of the trigger."""
        return f"{type(self).__module__}.{type(self).__qualname__}", {
            "poll_interval": self.poll_interval,
            "exponential_backoff": self.exponential_backoff,
            "max_wait": self.max_wait,
            "wriftai_conn_id": self.wriftai_conn_id,
            "end_from_trigger": self.end_from_trigger,
            "do_xcom_push": self.do_xcom_push,
        }

    @abstractmethod
    async def _begin(self) -> Wait:
        """Parse the arguments, and begin the wait."""

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait until the version appears or the wait is over."""
        from airflow_provider_wriftai._airflow.metrics import count

        clock = asyncio.get_running_loop().time
        began = clock()
        event = await self._wait()
        count(f"wait.{event['status']}")
        if event["status"] == "ready" and await self._end_task(event):
            yield TaskSuccessEvent()
            return
        if self.task_instance is not None:
            # Otherwise no scheduler takes part: `airflow dags test` runs the trigger by itself.
            await asyncio.sleep(max(began + self.hold - clock(), 0.0))
        yield TriggerEvent(event)  # type: ignore[no-untyped-call]

    async def _wait(self) -> dict[str, Any]:
        from airflow_provider_wriftai.client.errors import WriftAIError
        from airflow_provider_wriftai.domain.results import version_result
        from airflow_provider_wriftai.domain.waiting.errors import WaitTimedOutError
        from airflow_provider_wriftai.domain.waiting.poller_pool import wait_for

        try:
            found = await wait_for(self.wriftai_conn_id, self._open_api, await self._begin(), _wait_metrics())
        except WaitTimedOutError as error:
            return {"status": "timeout", "message": str(error)}
        except WriftAIError as error:
            return {"status": "failed", "message": str(error), "final": not error.retryable}
        return {"status": "ready", "version": version_result(found.versions[-1]), "base_url": found.base_url}

    async def _open_api(self) -> API:
        return await WriftAIHook(self.wriftai_conn_id).aget_conn()

    def _log_progress(self, message: str) -> None:
        # A trigger's logger is made when it is first used, which most of thousands of waits never do.
        self.log.info(message)

    async def _end_task(self, event: Mapping[str, Any]) -> bool:
        """End the task, if nothing needs a worker.

        Returns:
            Whether only the event that ends it is missing.
        """
        if not self.end_from_trigger or self.task_instance is None:
            return False
        try:
            if reason := self._find_reason_for_worker():
                self.log.info("A worker will end the task, because %s.", reason)
                return False
            await asyncio.to_thread(self._store_result, event)
        except Exception:  # any failure: a worker can still end the task
            self.log.warning("The triggerer cannot store the result. A worker will end the task.", exc_info=True)
            return False
        self.log.info("%s exists. The task ends without a worker.", event["version"]["reference"])
        return True

    def _find_reason_for_worker(self) -> str | None:
        """Return why a worker has to end the task; None if the worker that deferred it has decided that."""
        return None

    def _store_result(self, event: Mapping[str, Any]) -> None:
        from airflow_provider_wriftai.client.web_pages import page_of

        version = event["version"]
        if page := page_of(event["base_url"], version["reference"], None):
            store_xcom(self.task_instance, WriftAIVersionLink().xcom_key, page, through_backend=False)
        if self.do_xcom_push:
            store_xcom(self.task_instance, RETURN_VALUE, version)

    def _interval(self) -> PollInterval:
        from airflow_provider_wriftai.domain.waiting.poll_interval import PollInterval

        return PollInterval(self.poll_interval, self.exponential_backoff, self.max_wait)


class WriftAIVersionTrigger(_WaitTrigger):
    """Wait in the triggerer until a version exists.

    Its event is a mapping with ``status``: ``ready`` (with ``version`` and ``base_url``), ``timeout`` (with
    ``message``), or ``failed`` (with ``message``, and ``final``: whether no retry can fix it).

    Args:
        criteria: What is waited for, such as ``{"version": "acme/detector:7"}``.
        poll_interval: Seconds between polls, or a timedelta.
        deadline: When the wait is over: a time with a time zone, as ISO 8601 text or a datetime. It survives a restart
            of the triggerer.
        exponential_backoff: Whether the interval doubles from poll to poll.
        max_wait: Seconds, or a timedelta, that it grows to at most.
        max_consecutive_failures: How many polls in a row may fail; None for no limit.
        wriftai_conn_id: The Airflow connection.
        end_from_trigger: Whether the trigger ends its task when the version exists.
        do_xcom_push: Whether it then stores the version as the result of the task.
        hold: Seconds from the start of the trigger that pass before the task goes back to a worker.

    Raises:
        InvalidTriggerArgumentError: An argument is invalid.
    """

    def __init__(
        self,
        *,
        criteria: Mapping[str, Any],
        poll_interval: float | timedelta,
        deadline: str | datetime,
        exponential_backoff: bool = False,
        max_wait: float | timedelta | None = None,
        max_consecutive_failures: int | None = None,
        wriftai_conn_id: str = DEFAULT_CONNECTION_ID,
        end_from_trigger: bool = False,
        do_xcom_push: bool = True,
        hold: float | timedelta = 0.0,
    ) -> None:
        super().__init__(
            poll_interval=poll_interval,
            exponential_backoff=exponential_backoff,
            max_wait=max_wait,
            wriftai_conn_id=wriftai_conn_id,
            end_from_trigger=end_from_trigger,
            do_xcom_push=do_xcom_push,
        )
        self.criteria = _checked_criteria(criteria).to_json()
        self.deadline = _checked_time("deadline", deadline)
        if max_consecutive_failures is not None:
            from airflow_provider_wriftai._airflow.wait_parameters import parse_max_failures

            max_consecutive_failures = _checked(parse_max_failures, max_consecutive_failures)
        self.max_consecutive_failures = max_consecutive_failures
        self.hold = _seconds("hold", hold)

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class and the arguments of the trigger."""
        path, arguments = super().serialize()
        return path, {
            **arguments,
            "criteria": self.criteria,
            "deadline": self.deadline,
            "max_consecutive_failures": self.max_consecutive_failures,
            "hold": self.hold,
        }

    async def _begin(self) -> Wait:
        from airflow_provider_wriftai.domain.waiting.wait import Wait

        return Wait(
            _checked_criteria(self.criteria),
            self._interval(),
            seconds=(datetime.fromisoformat(self.deadline) - datetime.now(UTC)).total_seconds(),
            max_failures=self.max_consecutive_failures,
            log_progress=self._log_progress,
        )


class WriftAIStartedVersionTrigger(_WaitTrigger):
    """Wait in the triggerer for a task that starts there (Airflow 3.3), with the parameters of its sensor.

    Airflow renders the template fields before the trigger runs. They are parsed and validated as on a worker.

    Args:
        poll_interval: Seconds between polls.
        timeout: Seconds after which the wait is over.
        deferral_timeout: Seconds after which Airflow ends the deferral. Airflow stores that moment, from which the
            trigger knows when the wait began, even after a restart of the triggerer.
        version: See ``WriftAIVersionSensor``, as for the following.
        model: ``owner/name``.
        image: The image that the version is made of.
        newer_than: What the version has to be newer than.
        release_notes: A regular expression that is found in its release notes.
        max_consecutive_failures: How many polls in a row may fail. If it is not set, there is no limit.
        exponential_backoff: Whether the interval doubles from poll to poll.
        max_wait: Seconds that it grows to at most.
        wriftai_conn_id: The Airflow connection.
        end_from_trigger: Whether the trigger may end its task.
        do_xcom_push: Whether it then stores the version as the result of the task.

    Raises:
        InvalidTriggerArgumentError: An argument that is not templated is invalid.
    """

    def __init__(
        self,
        *,
        poll_interval: float,
        timeout: float,
        deferral_timeout: float,
        version: Any = NOTSET,
        model: Any = NOTSET,
        image: Any = NOTSET,
        newer_than: Any = NOTSET,
        release_notes: Any = NOTSET,
        max_consecutive_failures: Any = NOTSET,
        exponential_backoff: bool = False,
        max_wait: float | None = None,
        wriftai_conn_id: str = DEFAULT_CONNECTION_ID,
        end_from_trigger: bool = False,
        do_xcom_push: bool = True,
    ) -> None:
        super().__init__(
            poll_interval=poll_interval,
            exponential_backoff=exponential_backoff,
            max_wait=max_wait,
            wriftai_conn_id=wriftai_conn_id,
            end_from_trigger=end_from_trigger,
            do_xcom_push=do_xcom_push,
        )
        self.timeout = _seconds("timeout", timeout)
        self.deferral_timeout = _seconds("deferral_timeout", deferral_timeout)
        self._given = {
            name: value
            for name, value in (
                ("version", version),
                ("model", model),
                ("image", image),
                ("newer_than", newer_than),
                ("release_notes", release_notes),
                ("max_consecutive_failures", max_consecutive_failures),
            )
            if not isinstance(value, NotSet)
        }
        self._explicit = ExplicitParameters(**self._given)
        self.version = none_if_notset(version)
        self.model = none_if_notset(model)
        self.image = none_if_notset(image)
        self.newer_than = none_if_notset(newer_than)
        self.release_notes = none_if_notset(release_notes)
        self.max_consecutive_failures = none_if_notset(max_consecutive_failures)
        self._problem: Exception | None = None

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class and the arguments of the trigger."""
        path, arguments = super().serialize()
        return path, {
            **arguments,
            **self._given,
            "timeout": self.timeout,
            "deferral_timeout": self.deferral_timeout,
        }

    def _find_reason_for_worker(self) -> str | None:
        return None if self.task is None else find_reason_for_worker(self.task)

    def render_template_fields(self, context: Any, jinja_env: Any = None) -> None:
        """Render the parameters, if the triggerer can do so without harm to its other triggers."""
        from airflow_provider_wriftai._airflow.wait_parameters import check_start_parameters

        try:
            check_start_parameters((name, getattr(self, name)) for name in self.template_fields)
            super().render_template_fields(context, jinja_env)
        except Exception as error:  # noqa: BLE001 - reported by run, to the log of the task
            self._problem = error

    async def _begin(self) -> Wait:
        from airflow_provider_wriftai.domain.waiting.wait import Wait

        interval = self._interval()
        if self.poll_interval < interval.shortest and not self.exponential_backoff:
            self.log.warning(
                "poke_interval is %g s, which is too short. Polling every %g s instead.",
                self.poll_interval,
                interval.shortest,
            )
        # Off the event loop, because an image may be a file.
        criteria, max_failures, began = await asyncio.to_thread(self._parse_parameters)
        deadline = began + timedelta(seconds=self.timeout)
        return Wait(
            criteria,
            interval,
            seconds=(deadline - datetime.now(UTC)).total_seconds(),
            max_failures=max_failures,
            log_progress=self._log_progress,
            # What is wrong with it at first is the user's mistake, as on a worker; later, it may pass.
            connection_was_read=datetime.now(UTC) - began > _BEGINNING,
        )

    def _parse_parameters(self) -> tuple[Criteria, int | None, datetime]:
        """Return what to wait for, how many polls in a row may fail, and when the wait began."""
        from dataclasses import replace

        from airflow_provider_wriftai._airflow.parameters import InvalidParameterError
        from airflow_provider_wriftai._airflow.wait_parameters import parse_criteria, parse_max_failures
        from airflow_provider_wriftai.client.text import escape
        from airflow_provider_wriftai.domain.waiting.criteria import Start

        if self._problem is not None:
            problem = escape(str(self._problem))
            raise InvalidParameterError(f"The parameters could not be rendered in the triggerer: {problem}")
        times_out = trigger_timeout_of(self)
        began = datetime.now(UTC)
        if times_out is not None:
            began = times_out - timedelta(seconds=self.deferral_timeout)
        criteria: Criteria = parse_criteria(self._explicit, self)
        if criteria.depends_on_start:
            # The versions that exist now may have been published since, before the triggerer was restarted.
            criteria = replace(criteria, newer_than=Start(began))
        return criteria, self._explicit.parse(self, "max_consecutive_failures", parse_max_failures), began


def _checked(parse: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return parse(*arguments)
    except ValueError as error:
        message = str(error)
    raise InvalidTriggerArgumentError(message)


def _seconds(name: str, value: object) -> float:
    from airflow_provider_wriftai._airflow.parameters import parse_seconds

    seconds: float = _checked(parse_seconds, name, value)
    return seconds


def _checked_criteria(value: object) -> Criteria:
    from airflow_provider_wriftai.domain.waiting.criteria import Criteria

    criteria: Criteria = _checked(Criteria.from_json, value)
    return criteria


@cache
def _wait_metrics() -> WaitMetrics:
    """Return what reports the figures of waits to Airflow: one object for all waits of the process."""
    from airflow_provider_wriftai._airflow import metrics
    from airflow_provider_wriftai.domain.waiting.poller import WaitMetrics

    return WaitMetrics(
        count=lambda outcome: metrics.count(f"wait.polls.{outcome}"),
        gauge=lambda waits: metrics.gauge("wait.open", waits),
    )


def _checked_time(name: str, value: object) -> str:
    from airflow_provider_wriftai.client.text import truncated_repr

    try:
        time = datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        time = None
    if not isinstance(time, datetime) or time.tzinfo is None:
        raise InvalidTriggerArgumentError(
            f"{name} must be a time with a time zone, as ISO 8601 text or a datetime; got {truncated_repr(value)}."
        )
    return time.isoformat()
