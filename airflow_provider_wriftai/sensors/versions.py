"""The sensor that waits for a version."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from airflow.triggers.base import StartTriggerArgs

from airflow_provider_wriftai._airflow.compat import (
    TRIGGER_FAILED,
    TRIGGER_TIMED_OUT,
    TRIGGERS_END_TASKS,
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    AirflowTaskTimeout,
    BaseSensorOperator,
    PokeReturnValue,
    conf,
    find_reason_for_worker,
    has_post_execute_hook,
    has_pre_execute_hook,
    run_sensor_loop,
)
from airflow_provider_wriftai._airflow.connection import DEFAULT_CONNECTION_ID
from airflow_provider_wriftai._airflow.metrics import count
from airflow_provider_wriftai._airflow.parameters import NOTSET, ExplicitParameters, NotSet, none_if_notset
from airflow_provider_wriftai._airflow.task_marks import REPLACED, was_replaced
from airflow_provider_wriftai._airflow.task_state import TaskState, find_task_state
from airflow_provider_wriftai._airflow.templating import TemplateFieldsMixin
from airflow_provider_wriftai.hooks.wriftai import WriftAIHook
from airflow_provider_wriftai.links.versions import WriftAIVersionLink, store_link
from airflow_provider_wriftai.triggers.versions import WriftAIStartedVersionTrigger, WriftAIVersionTrigger

if TYPE_CHECKING:
    from airflow_provider_wriftai._airflow.compat import Context, XComArg
    from airflow_provider_wriftai.domain.images.read import BuildResult
    from airflow_provider_wriftai.domain.waiting.sync_wait import SyncWait

__all__ = ["WriftAIVersionSensor"]

STATE_KEY = "wriftai_wait"
"""The key of Airflow's task state store under which a wait is kept."""

REPORT_HOLD = 10.0
"""Seconds that pass before a task that has left its worker goes back to one. Until the scheduler has processed the
executor's report about the first, it would take that report for one about the second, and fail the task
(apache/airflow#66374). It runs about once a second; on a busy machine, every few seconds."""

_LONGEST_WAIT = 100 * 365 * 24 * 3600
_BEYOND_DEADLINE = timedelta(days=1)


class WriftAIVersionSensor(TemplateFieldsMixin, BaseSensorOperator):
    """Wait until a version exists, and return it.

    Give either ``version``, or ``model`` and at least one criterion. All criteria have to match. If several versions
    do, the newest is returned.

    The timing parameters mean the same in every mode. With ``soft_fail``, a timeout skips the task, and nothing else
    does. With ``never_fail``, every failure skips it, except that the ``execution_timeout`` is exceeded. Failed polls
    are counted if their errors are retryable. Errors that waiting cannot fix (a refused token, an invalid reference, a
    deleted version) fail the task at once.

    Args:
        version: A given version: its id, ``owner/name:number``, or a version as a task returned it.
        model: ``owner/name``.
        image: The image that the version is made of: a digest, or anything that the create operator accepts.
        newer_than: What the version has to be newer than: ``start`` (what exists when the wait begins), the reference
            or number of a version, a version as a task returned it, or a time with its time zone.
        release_notes: A regular expression that is found in the version's release notes.
        max_consecutive_failures: How many polls in a row may fail. With Airflow's ``silent_fail``, any number may.
        deferrable: Whether to wait in the triggerer, so that no worker is occupied. The default is Airflow's
            ``operators.default_deferrable``.
        end_from_trigger: Whether a deferred wait may end in the triggerer when the version exists (Airflow 3.3). It
            does where that makes no difference: not if the task has outlets, a success callback, or anything else that
            needs a worker. A wait that may end there defers without a poll.
        start_from_trigger: Whether the wait also starts in the triggerer (Airflow 3.3; implies ``deferrable``). It
            starts on a worker if the task has a ``pre_execute``, an ``on_execute_callback``, or methods of a subclass.
            Its parameters must not depend on XComs: a template may only use ``params``, ``dag_run``, and the dates and
            ids of the run.
        wriftai_conn_id: The Airflow connection.
        kwargs: What every sensor takes: ``mode``, ``poke_interval``, ``timeout``, ``soft_fail``, ...

    Raises:
        InvalidParameterError: A parameter cannot be used with ``start_from_trigger``.
    """

    template_fields: Sequence[str] = (
        "version",
        "model",
        "image",
        "newer_than",
        "release_notes",
        "max_consecutive_failures",
        "wriftai_conn_id",
    )
    template_text_fields: ClassVar[tuple[str, ...]] = ("model", "release_notes", "wriftai_conn_id")
    template_object_fields: ClassVar[tuple[str, ...]] = ("version", "image", "newer_than")
    operator_extra_links: Collection[WriftAIVersionLink] = (WriftAIVersionLink(),)
    ui_color = "#e3f4e1"

    def __init__(
        self,
        *,
        version: str | Mapping[str, Any] | XComArg | NotSet = NOTSET,
        model: str | XComArg | NotSet = NOTSET,
        image: BuildResult | XComArg | NotSet = NOTSET,
        newer_than: str | int | datetime | Mapping[str, Any] | XComArg | NotSet = NOTSET,
        release_notes: str | XComArg | NotSet = NOTSET,
        max_consecutive_failures: int | str | XComArg = 5,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        end_from_trigger: bool = True,
        start_from_trigger: bool = False,
        wriftai_conn_id: str = DEFAULT_CONNECTION_ID,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        given: dict[str, object] = {
            "version": version,
            "model": model,
            "image": image,
            "newer_than": newer_than,
            "release_notes": release_notes,
        }
        self._explicit = ExplicitParameters(**given)
        self.version = none_if_notset(version)
        self.model: Any = none_if_notset(model)
        self.image = none_if_notset(image)
        self.newer_than = none_if_notset(newer_than)
        self.release_notes = none_if_notset(release_notes)
        self.max_consecutive_failures = max_consecutive_failures
        self.deferrable = deferrable or start_from_trigger
        self.end_from_trigger = end_from_trigger
        self.wriftai_conn_id = wriftai_conn_id
        self._wait: SyncWait | None = None
        self.start_from_trigger = False
        if start_from_trigger:
            self._start_from_trigger({name: value for name, value in given.items() if value is not NOTSET})

    def _start_from_trigger(self, given: dict[str, object]) -> None:
        """Let Airflow start the task in the triggerer, where it can."""
        from airflow_provider_wriftai._airflow.wait_parameters import check_start_parameters

        given = {name: value.isoformat() if isinstance(value, datetime) else value for name, value in given.items()}
        given["wriftai_conn_id"] = self.wriftai_conn_id
        if not self.silent_fail:
            given["max_consecutive_failures"] = self.max_consecutive_failures
        check_start_parameters(given.items())
        if not TRIGGERS_END_TASKS or not self._has_default_start():
            return
        timeout = timedelta(seconds=min(self.timeout, _LONGEST_WAIT))
        # The trigger ends the wait by itself. Airflow ends it only if no triggerer runs.
        deferral_timeout = min(self.execution_timeout or timedelta.max, timeout + _BEYOND_DEADLINE)
        self.start_from_trigger = True
        self.start_trigger_args = StartTriggerArgs(
            trigger_cls=_path_of(WriftAIStartedVersionTrigger),
            trigger_kwargs={
                **given,
                "poll_interval": self.poke_interval,
                "timeout": timeout.total_seconds(),
                "deferral_timeout": deferral_timeout.total_seconds(),
                "exponential_backoff": self.exponential_backoff,
                "max_wait": self.max_wait.total_seconds() if self.max_wait else None,
                "end_from_trigger": self.end_from_trigger and self._has_default_ending(),
                "do_xcom_push": self.do_xcom_push,
            },
            next_method="execute_complete",
            next_kwargs=None,
            timeout=deferral_timeout,
        )

    def _has_default_ending(self) -> bool:
        """Return whether no code of a subclass or a DAG runs when the task ends."""
        methods = ("execute_complete", "resume_execution", "post_execute")
        return self._inherits(*methods) and not has_post_execute_hook(self)

    def _has_default_start(self) -> bool:
        """Return whether no code of a subclass or a DAG runs when the task starts, or polls."""
        return self._inherits("pre_execute", "execute", "poke") and not has_pre_execute_hook(self)

    def _inherits(self, *methods: str) -> bool:
        return all(getattr(type(self), name) is getattr(WriftAIVersionSensor, name) for name in methods)

    def execute(self, context: Context) -> Any:
        """Wait for the version."""
        from airflow_provider_wriftai._airflow.failures import fail_without_retry

        began = datetime.now(UTC)
        with self._skipping_if_never_fail(), fail_without_retry():
            wait = self._wait = self._read_wait(context, began)
            self._limit_poke_interval(is_first_poll=not wait.polls)
            if self.deferrable:
                return self._poll_then_defer(context, began, wait)
        try:
            # Outside the loop of the base class: inside, soft_fail would skip on these errors, too.
            with fail_without_retry(), self._without_silent_fail():
                return run_sensor_loop(self, context)
        except AirflowSensorTimeout as error:
            with self._skipping_if_never_fail():
                raise AirflowSensorTimeout(self._lateness(wait)) from error
        except AirflowSkipException as error:
            if isinstance(error.__cause__, AirflowTaskTimeout):
                # The base class skips on it, too, if it strikes during a poll. Otherwise nothing catches it.
                raise error.__cause__ from None
            if self.soft_fail:
                raise AirflowSkipException(self._lateness(wait)) from error
            raise

    def _limit_poke_interval(self, *, is_first_poll: bool) -> None:
        from airflow_provider_wriftai.domain.waiting.poll_interval import SHORTEST_INTERVAL

        shortest = SHORTEST_INTERVAL
        if self._is_rescheduled:
            # With exponential_backoff, the first interval is half of it.
            shortest = max(shortest, REPORT_HOLD * (2 if self.exponential_backoff else 1))
        if self.poke_interval < shortest:
            if is_first_poll:
                self.log.warning(
                    "poke_interval is %g s, which is too short. Polling every %g s instead.",
                    self.poke_interval,
                    shortest,
                )
            self.poke_interval = shortest

    @contextmanager
    def _without_silent_fail(self) -> Iterator[None]:
        # The base class would go on after any error, even one that no wait can fix. The wait counts by itself.
        silent_fail, self.silent_fail = self.silent_fail, False
        try:
            yield
        finally:
            self.silent_fail = silent_fail

    @contextmanager
    def _skipping_if_never_fail(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            if not self.never_fail or isinstance(error, AirflowSkipException):
                raise
            raise AirflowSkipException(f"Skipped, because never_fail is set: {error}") from error

    def poke(self, context: Context) -> PokeReturnValue:
        """Poll once."""
        from airflow_provider_wriftai.domain.results import version_result

        wait = self._wait or self._read_wait(context, datetime.now(UTC))
        state = find_task_state(context, STATE_KEY)
        if state is not None and wait.criteria.depends_on_start and not wait.polls:
            # A retry begins when this try did, even if this poll fails.
            _keep(wait, state, context)
        with WriftAIHook(self.wriftai_conn_id).get_conn() as api:
            version = wait.poll(api)
            base_url = api.base_url
        count("wait.polls.failed" if wait.failures.count else "wait.polls.ok")
        if version is not None:
            if was_replaced(context):
                self.log.warning(REPLACED)
                return PokeReturnValue(is_done=True)
            self.log.info("%s exists.", version.reference)
            store_link(self, context, base_url, str(version.reference), self.model)
            return PokeReturnValue(is_done=True, xcom_value=version_result(version))
        self.log.info("%s does not exist yet. %s", wait.criteria, wait.status)
        if state is not None and self._is_worth_keeping(wait):
            _keep(wait, state, context)
        return PokeReturnValue(is_done=False)

    def _read_wait(self, context: Context, began: datetime) -> SyncWait:
        from airflow_provider_wriftai._airflow.parameters import InvalidParameterError
        from airflow_provider_wriftai._airflow.wait_parameters import parse_criteria, parse_max_failures
        from airflow_provider_wriftai.domain.waiting.sync_wait import SyncWait

        max_failures = parse_max_failures(self.max_consecutive_failures)
        wait = SyncWait(parse_criteria(self._explicit, self), None if self.silent_fail else max_failures, began)
        state = find_task_state(context, STATE_KEY)
        if state is not None:
            kept, tries = state.load(), _tries(context)
            if isinstance(kept, Mapping) and kept.get("began_with_try") == tries["began_with_try"]:
                wait.resume(kept, is_same_try=self._is_rescheduled and kept.get("try") == tries["try"])
        elif self._is_rescheduled and wait.criteria.depends_on_start:
            raise InvalidParameterError(
                "newer_than='start' is lost between two polls in mode 'reschedule' before Airflow 3.3. Wait in mode "
                "'poke' or deferrable, or give a version or a time."
            )
        return wait

    @property
    def _is_rescheduled(self) -> bool:
        return bool(self.reschedule) and not self.deferrable

    def _is_worth_keeping(self, wait: SyncWait) -> bool:
        # Each poll of a rescheduled wait is made by another process. Of other waits, a retry goes on from the first.
        return self._is_rescheduled or wait.polls == 1

    def _lateness(self, wait: SyncWait) -> str:
        from airflow_provider_wriftai.domain.waiting.errors import format_polls

        return (
            f"{wait.criteria} did not appear in time, after {self.timeout:g} s and {format_polls(wait.polls)}. "
            f"{wait.status}"
        )

    def _poll_then_defer(self, context: Context, began: datetime, wait: SyncWait) -> Any:
        reason = self._why_worker_ends()
        # A wait that needs no worker any more leaves its first poll to the triggerer, where many share it. A process
        # for each would send a request of its own, and wait for its turn under the rate limit.
        found = None
        if reason or wait.criteria.depends_on_start:
            found = self.poke(context)
        else:
            WriftAIHook(self.wriftai_conn_id).check_connection()
        if found is None or not found.is_done:
            if reason:
                self.log.info("A worker will end the task, because %s.", reason)
            self._defer(began, wait, end_from_trigger=not reason)
        return found.xcom_value

    def _defer(self, began: datetime, wait: SyncWait, *, end_from_trigger: bool) -> NoReturn:
        deadline = began + timedelta(seconds=min(self.timeout, _LONGEST_WAIT))
        self.log.info("Waiting in the triggerer, polling every %g s until %s.", self.poke_interval, deadline)
        # Airflow 3 applies it to the processes of a task, but not between them.
        remaining = None
        if self.execution_timeout is not None:
            remaining = max(began + self.execution_timeout - datetime.now(UTC), timedelta(0))
        # When this process ends, Airflow stores its links: an empty one, perhaps over the one that the trigger has
        # stored.
        self.operator_extra_links = ()
        self.defer(
            trigger=WriftAIVersionTrigger(
                criteria=wait.criteria.to_json(),
                poll_interval=self.poke_interval,
                deadline=deadline,
                exponential_backoff=self.exponential_backoff,
                max_wait=self.max_wait,
                max_consecutive_failures=wait.failures.maximum,
                wriftai_conn_id=self.wriftai_conn_id,
                end_from_trigger=end_from_trigger,
                do_xcom_push=self.do_xcom_push,
                hold=REPORT_HOLD,
            ),
            method_name="execute_complete",
            timeout=remaining,
        )

    def _why_worker_ends(self) -> str | None:
        if not self.end_from_trigger:
            return "end_from_trigger is False"
        return find_reason_for_worker(self) or (None if self._has_default_ending() else "a subclass takes part")

    def execute_complete(self, context: Context, event: Mapping[str, Any] | None = None) -> Any:
        """Process the event of the trigger.

        Raises:
            AirflowSensorTimeout: The version did not appear in time.
            AirflowSkipException: The same with ``soft_fail``, or any failure with ``never_fail``.
            AirflowFailException: Something that no retry can fix.
            WaitFailedError: Anything else that ended the wait.
        """
        from airflow_provider_wriftai.client.text import truncated_repr
        from airflow_provider_wriftai.domain.waiting.errors import WaitFailedError

        match event:
            case {"status": "ready", "version": {"reference": reference, **_others} as version, "base_url": base_url}:
                self.log.info("%s exists.", reference)
                store_link(self, context, base_url, reference, self.model)
                return version
            case {"status": "timeout", "message": message}:
                if self.soft_fail:
                    raise AirflowSkipException(message)
                failure: Exception = AirflowSensorTimeout(message)
            case {"status": "failed", "message": message, "final": True}:
                failure = AirflowFailException(message)
            case {"status": "failed", "message": message}:
                failure = WaitFailedError(message)
            case _:
                failure = WaitFailedError(
                    "The trigger sent an event that this version of the provider does not know: "
                    f"{truncated_repr(event)}. Workers and triggerers must run the same version of it."
                )
        with self._skipping_if_never_fail():
            raise failure

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Go on after a deferral."""
        self.operator_extra_links = type(self).operator_extra_links
        from airflow_provider_wriftai.client.text import escape

        # Not as the base class does: under soft_fail that skips on every failure (apache/airflow#71255).
        if next_method != TRIGGER_FAILED:
            return super(BaseSensorOperator, self).resume_execution(next_method, next_kwargs, context)
        kwargs = next_kwargs or {}
        reason = escape(str(kwargs.get("error", "unknown")))
        if reason == TRIGGER_TIMED_OUT:
            limit = self.execution_timeout
            if limit is not None and limit <= timedelta(seconds=self.timeout) + _BEYOND_DEADLINE:
                # As on a worker: whatever soft_fail and never_fail say.
                raise AirflowTaskTimeout(f"The wait did not end within the execution_timeout of {limit}.")
            message = "The version did not appear in time, and no triggerer has reported why."
            return self.execute_complete(context, {"status": "timeout", "message": message})
        # Indented: a line of an error's text must not look like a line of the log.
        lines = [line for part in kwargs.get("traceback") or () for line in str(part).splitlines() if line.strip()]
        self.log.error("The trigger failed: %s%s", reason, "".join(f"\n  {escape(line)}" for line in lines))
        cause = f" ({escape(lines[-1])})" if lines else ""
        message = f"The trigger of the wait failed: {reason}{cause}."
        return self.execute_complete(context, {"status": "failed", "message": message})


def _path_of(trigger: type[object]) -> str:
    return f"{trigger.__module__}.{trigger.__qualname__}"


def _keep(wait: SyncWait, state: TaskState, context: Context) -> None:
    state.save({**_tries(context), **wait.to_json()})


def _tries(context: Context) -> dict[str, int | None]:
    """Return which try this is, and with which the wait began: as Airflow counts, the first since a clear."""
    ti = context.get("ti")
    if ti is None:
        return {"began_with_try": None, "try": None}
    return {"began_with_try": ti.max_tries - (ti.task.retries or 0) + 1, "try": ti.try_number}
