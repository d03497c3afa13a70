"""Translate the package's errors to Airflow's: fail at once, or let the task retry."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from airflow_provider_wriftai._airflow.compat import AirflowFailException


@contextmanager
def fail_without_retry() -> Iterator[None]:
    """Turn an error that is not ``retryable`` into the exception with which Airflow does not retry the task.

    Other errors pass through, to be retried. Either way the task's log shows one traceback with one cause: a message
    says everything that a user needs, and the frames between the client and the operator do not help.
    """
    from airflow_provider_wriftai.client.errors import WriftAIError

    try:
        yield
    except WriftAIError as error:
        failure = error if error.retryable else AirflowFailException(str(error))
        raise failure.with_traceback(None) from None
