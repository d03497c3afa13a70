"""The sensor that waits for a version."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.providers.common.compat.sdk import (
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    BaseSensorOperator,
    PokeReturnValue,
    conf,
)

from airflow_provider_wriftai.connection import DEFAULT_CONNECTION_ID
from airflow_provider_wriftai.hooks.wriftai import WriftAIHook
from airflow_provider_wriftai.triggers.versions import WriftAIVersionTrigger

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context, XComArg


# How Airflow resumes a task whose trigger did not end with an event.
_TRIGGER_FAILED = "__fail__"
_TRIGGER_TIMED_OUT = "Trigger timeout"


class WriftAIVersionSensor(BaseSensorOperator):
    """Waits until a version is there, and returns it.

    The timing parameters mean the same in every mode. With ``soft_fail`` a timeout, and nothing else,
    skips the task. Errors that no wait can mend (a refused token, a bad reference) fail it at once.

    Args:
        version: The version's id, or ``owner/name:number``.
        deferrable: Whether the triggerer waits, so that no worker is taken up. Airflow's
            ``operators.default_deferrable`` says what is done where it is left out.
        wriftai_conn_id: The Airflow connection.
        kwargs: What every sensor takes: ``mode``, ``poke_interval``, ``timeout``, ``soft_fail``, ...
    """

    template_fields: Sequence[str] = ("version", "wriftai_conn_id")
    ui_color = "#e3f4e1"

    def __init__(
        self,
        *,
        version: str | XComArg,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        wriftai_conn_id: str = DEFAULT_CONNECTION_ID,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.version = version
        self.deferrable = deferrable
        self.wriftai_conn_id = wriftai_conn_id

    def execute(self, context: Context) -> Any:
        """Wait for the version."""
        from airflow_provider_wriftai.failures import final_errors_fail_the_task

        # Outside of the base's loop: inside of it, soft_fail would skip on these errors too.
        with final_errors_fail_the_task():
            return self._look_then_defer(context) if self.deferrable else super().execute(context)

    def poke(self, context: Context) -> PokeReturnValue:
        """Look once for the version."""
        from airflow_provider_wriftai.client.versions import Versions
        from airflow_provider_wriftai.waiting.watch import look

        with WriftAIHook(self.wriftai_conn_id).get_conn() as api:
            version = look(Versions(api), self._reference())
        self.log.info("%s is %s.", self.version, "there" if version else "not there yet")
        return PokeReturnValue(is_done=version is not None, xcom_value=version)

    def _reference(self) -> str:
        from airflow_provider_wriftai.templated import reference_of_version

        return reference_of_version("version", self.version)

    def _look_then_defer(self, context: Context) -> Any:
        deadline = datetime.now(UTC) + timedelta(seconds=self.timeout)
        try:
            found = self.poke(context)
        except Exception as error:
            if self.never_fail:
                raise AirflowSkipException(f"Skipped, because never_fail is set: {error}") from error
            raise
        if not found.is_done:
            self._defer_until(deadline)
        return found.xcom_value

    def _defer_until(self, deadline: datetime) -> NoReturn:
        self.log.info("Waiting in the triggerer, looking every %g s until %s.", self.poke_interval, deadline)
        self.defer(
            trigger=WriftAIVersionTrigger(
                version=self._reference(),
                poll_interval=self.poke_interval,
                deadline=deadline.isoformat(),
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
        from airflow_provider_wriftai.waiting.errors import WaitFailedError

        match event:
            case {"status": "ready", "version": version}:
                self.log.info("%s is there.", self.version)
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
        if self.never_fail:
            raise AirflowSkipException(f"Skipped, because never_fail is set: {failure}") from failure
        raise failure

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Go on after a deferral."""
        # Not the sensor base's way: under soft_fail that skips on every failure (apache/airflow#71255).
        if next_method == _TRIGGER_FAILED:
            reason = (next_kwargs or {}).get("error", "unknown")
            self.log.error("The trigger failed: %s\n%s", reason, "\n".join((next_kwargs or {}).get("traceback") or ()))
            status = "timeout" if reason == _TRIGGER_TIMED_OUT else "failed"
            return self.execute_complete(context, {"status": status, "message": f"The wait ended: {reason}."})
        return super(BaseSensorOperator, self).resume_execution(next_method, next_kwargs, context)
