"""The sensor that waits for a version."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn, cast

from airflow_provider_wriftai._airflow.compat import (
    TRIGGER_FAILED,
    TRIGGER_TIMED_OUT,
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    BaseSensorOperator,
    PokeReturnValue,
    conf,
)
from airflow_provider_wriftai._airflow.connection import DEFAULT_CONNECTION_ID
from airflow_provider_wriftai._airflow.metrics import count
from airflow_provider_wriftai._airflow.parameters import NOTSET, ExplicitParameters, NotSet, none_if_notset
from airflow_provider_wriftai._airflow.task_state import find_task_state
from airflow_provider_wriftai.hooks.wriftai import WriftAIHook
from airflow_provider_wriftai.links.versions import WriftAIVersionLink, store_link
from airflow_provider_wriftai.triggers.versions import WriftAIVersionTrigger

if TYPE_CHECKING:
    from airflow_provider_wriftai._airflow.compat import Context, XComArg
    from airflow_provider_wriftai.domain.images.read import BuildResult
    from airflow_provider_wriftai.domain.waiting.criteria import Criteria
    from airflow_provider_wriftai.domain.waiting.sync_wait import SyncWait


MEMORY_KEY = "wriftai_wait"
"""Under which key of Airflow's task state store a rescheduled wait is kept."""

_LONGEST_WAIT = 100 * 365 * 24 * 3600


class WriftAIVersionSensor(BaseSensorOperator):
    """Waits until a version is there, and returns it.

    Give either ``version``, or ``model`` and what its version has to be; where several things are given, all have to
    hold. Of several such versions the newest is returned.

    The timing parameters mean the same in every mode. With ``soft_fail`` a timeout, and nothing else, skips the task;
    with ``never_fail`` whatever goes wrong does. Looks that fail for a reason that may pass are counted; errors that no
    wait can mend (a refused token, a bad reference, a version that was deleted) fail the task at once.

    Args:
        version: A given version: its id, ``owner/name:number``, or a version as a task returned it.
        model: ``owner/name``.
        image: The image that the version is made of: a digest, or whatever the create operator takes.
        newer_than: What the version has to be newer than: ``start`` (what is there when the wait begins), a version's
            reference or number, a version as a task returned it, or a time with its time zone.
        release_notes: A regular expression that is found in the version's release notes.
        max_consecutive_failures: How many looks in a row may fail. With Airflow's ``silent_fail``: any number.
        deferrable: Whether the triggerer waits, so that no worker is taken up. Airflow's
            ``operators.default_deferrable`` says what is done where it is left out.
        wriftai_conn_id: The Airflow connection.
        kwargs: What every sensor takes: ``mode``, ``poke_interval``, ``timeout``, ``soft_fail``, ...
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
    operator_extra_links = (WriftAIVersionLink(),)
    ui_color = "#e3f4e1"

    def __init__(
        self,
        *,
        version: str | Mapping[str, Any] | XComArg | NotSet = NOTSET,
        model: str | NotSet = NOTSET,
        image: BuildResult | XComArg | NotSet = NOTSET,
        newer_than: str | int | datetime | Mapping[str, Any] | XComArg | NotSet = NOTSET,
        release_notes: str | NotSet = NOTSET,
        max_consecutive_failures: int | str = 5,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        wriftai_conn_id: str = DEFAULT_CONNECTION_ID,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._given = ExplicitParameters(
            version=version,
            model=model,
            image=image,
            newer_than=newer_than,
            release_notes=release_notes,
        )
        self.version = none_if_notset(version)
        self.model = none_if_notset(model)
        self.image = none_if_notset(image)
        self.newer_than = none_if_notset(newer_than)
        self.release_notes = none_if_notset(release_notes)
        self.max_consecutive_failures = max_consecutive_failures
        self.deferrable = deferrable
        self.wriftai_conn_id = wriftai_conn_id
        self._wait: SyncWait | None = None

    def execute(self, context: Context) -> Any:
        """Wait for the version."""
        from airflow_provider_wriftai._airflow.failures import fail_without_retry

        try:
            with fail_without_retry():
                wait = self._wait = self._read_wait(context)
                if self.deferrable:
                    return self._look_then_defer(context)
        except Exception as error:
            raise self._ending(error) from error
        try:
            # Outside of the base's loop: inside of it, soft_fail would skip on these errors too.
            with fail_without_retry(), self._without_silent_fail():
                return super().execute(context)
        except AirflowSensorTimeout as error:
            raise self._ending(AirflowSensorTimeout(self._lateness(wait))) from error
        except AirflowSkipException as error:
            if self.soft_fail:
                raise AirflowSkipException(self._lateness(wait)) from error
            raise

    @contextmanager
    def _without_silent_fail(self) -> Iterator[None]:
        # The base would go on after whatever error, also one that no wait can mend; the wait counts by itself.
        silent_fail, self.silent_fail = self.silent_fail, False
        try:
            yield
        finally:
            self.silent_fail = silent_fail

    def _ending(self, failure: Exception) -> Exception:
        """The exception that ends the task where a wait fails."""
        if not self.never_fail:
            return failure
        return AirflowSkipException(f"Skipped, because never_fail is set: {failure}")

    def poke(self, context: Context) -> PokeReturnValue:
        """Look once for the version."""
        wait = self._wait or self._read_wait(context)
        with WriftAIHook(self.wriftai_conn_id).get_conn() as api:
            version = wait.look(api)
            if version is not None:
                store_link(self, context, api.base_url, version["reference"], self.model)
        count("wait.looks")
        self.log.info("%s is %s. %s", wait.condition, "there" if version else "not there yet", wait.state)
        if (
            version is None
            and (memory := find_task_state(context, MEMORY_KEY)) is not None
            and self._is_worth_keeping(wait)
        ):
            memory.save({**_tries(context), **wait.to_json()})
        return PokeReturnValue(is_done=version is not None, xcom_value=version)

    def _read_wait(self, context: Context) -> SyncWait:
        from airflow_provider_wriftai._airflow.parameters import InvalidParameterError, parse_int
        from airflow_provider_wriftai.domain.waiting.criteria import START
        from airflow_provider_wriftai.domain.waiting.sync_wait import SyncWait

        most_failures = parse_int("max_consecutive_failures", self.max_consecutive_failures, least=0, most=10**6)
        wait = SyncWait(self._read_condition(), None if self.silent_fail else most_failures)
        memory = find_task_state(context, MEMORY_KEY)
        if memory is not None:
            kept, tries = memory.load(), _tries(context)
            if isinstance(kept, Mapping) and kept.get("began_with_try") == tries["began_with_try"]:
                wait.go_on_from(kept, is_same_try=self._is_rescheduled and kept.get("try") == tries["try"])
        elif self._is_rescheduled and wait.condition.newer_than is START:
            raise InvalidParameterError(
                "newer_than='start' cannot be kept from one look to the next in mode 'reschedule' before Airflow 3.3. "
                "Wait in mode 'poke' or deferrable, or give a version or a time."
            )
        return wait

    def _read_condition(self) -> Criteria:
        from airflow_provider_wriftai._airflow.parameters import parse_str, parse_version_reference
        from airflow_provider_wriftai.client.references import ModelReference, parse_version
        from airflow_provider_wriftai.domain.images.read import read_image_digest
        from airflow_provider_wriftai.domain.waiting.criteria import Criteria, read_newer_than, read_pattern

        given = partial(self._given.parse, self)
        model = given("model", ModelReference.parse)
        return Criteria(
            version=given("version", lambda value: parse_version(parse_version_reference("version", value))),
            model=model,
            digest=given("image", read_image_digest),
            newer_than=given("newer_than", lambda value: read_newer_than(model, value)),
            release_notes=given("release_notes", lambda value: read_pattern(parse_str("release_notes", value))),
        )

    @property
    def _is_rescheduled(self) -> bool:
        return bool(self.reschedule) and not self.deferrable

    def _is_worth_keeping(self, wait: SyncWait) -> bool:
        # Each look of a rescheduled wait is made by another process; of the others, a retry goes on from the first.
        return self._is_rescheduled or wait.looks == 1

    def _lateness(self, wait: SyncWait) -> str:
        return f"{wait.condition} was not there after {self.timeout:g} s and {wait.looks} looks. {wait.state}"

    def _look_then_defer(self, context: Context) -> Any:
        deadline = datetime.now(UTC) + timedelta(seconds=min(self.timeout, _LONGEST_WAIT))
        found = self.poke(context)
        if not found.is_done:
            self._defer_until(deadline)
        return found.xcom_value

    def _defer_until(self, deadline: datetime) -> NoReturn:
        self.log.info("Waiting in the triggerer, looking every %g s until %s.", self.poke_interval, deadline)
        wait = cast("SyncWait", self._wait)
        self.defer(
            trigger=WriftAIVersionTrigger(
                condition=wait.condition.to_json(),
                poll_interval=self.poke_interval,
                deadline=deadline.isoformat(),
                exponential_backoff=self.exponential_backoff,
                max_wait=self.max_wait.total_seconds() if self.max_wait else None,
                max_consecutive_failures=wait.most_failures,
                wriftai_conn_id=self.wriftai_conn_id,
            ),
            method_name="execute_complete",
        )

    def execute_complete(self, context: Context, event: Mapping[str, Any] | None = None) -> Any:
        """Go on with what the trigger found out.

        Raises:
            AirflowSensorTimeout: The version was not there in time.
            AirflowSkipException: The same with ``soft_fail``, or any failure with ``never_fail``.
            AirflowFailException: Something that no retry can fix.
            WaitFailedError: Anything else that ended the wait.
        """
        from airflow_provider_wriftai.domain.waiting.errors import WaitFailedError

        match event:
            case {"status": "ready", "version": {"reference": reference, **_others} as version}:
                self.log.info("%s is there.", reference)
                with WriftAIHook(self.wriftai_conn_id).get_conn() as api:
                    store_link(self, context, api.base_url, reference, self.model)
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
                    f"The trigger sent an event that this version of the provider does not know: {event!r}. "
                    "Workers and triggerers must run the same version of it."
                )
        raise self._ending(failure)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Go on after a deferral."""
        # Not the sensor base's way: under soft_fail that skips on every failure (apache/airflow#71255).
        if next_method == TRIGGER_FAILED:
            reason = (next_kwargs or {}).get("error", "unknown")
            self.log.error("The trigger failed: %s\n%s", reason, "\n".join((next_kwargs or {}).get("traceback") or ()))
            status = "timeout" if reason == TRIGGER_TIMED_OUT else "failed"
            return self.execute_complete(context, {"status": status, "message": f"The wait ended: {reason}."})
        return super(BaseSensorOperator, self).resume_execution(next_method, next_kwargs, context)


def _tries(context: Context) -> dict[str, int | None]:
    """Tell which try this is, and with which the wait began: as Airflow counts, the first since a clear."""
    ti = context.get("ti")
    if ti is None:
        return {"began_with_try": None, "try": None}
    return {"began_with_try": ti.max_tries - (ti.task.retries or 0) + 1, "try": ti.try_number}
