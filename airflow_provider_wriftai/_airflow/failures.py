"""Which errors end a task at once, and which leave it to Airflow's retries."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_wriftai._airflow.parameters import InvalidParameterError
from airflow_provider_wriftai.client.errors import (
    AuthenticationError,
    ConfigurationError,
    InvalidReferenceError,
    InvalidRequestError,
    PermissionDeniedError,
)
from airflow_provider_wriftai.domain.publishing.errors import (
    InvalidImageError,
    PreflightError,
    UnsettledAndRefusedError,
    UnsettledCreateError,
    VersionExistsError,
)
from airflow_provider_wriftai.domain.retention.errors import (
    InvalidPolicyError,
    PruneRefusedError,
    TooManyDeletionsError,
)
from airflow_provider_wriftai.domain.waiting.errors import InvalidCriteriaError, NeverThereError

FINAL = (
    AuthenticationError,
    ConfigurationError,
    InvalidCriteriaError,
    InvalidImageError,
    InvalidParameterError,
    InvalidPolicyError,
    InvalidReferenceError,
    InvalidRequestError,
    NeverThereError,
    PermissionDeniedError,
    PreflightError,
    PruneRefusedError,
    TooManyDeletionsError,
    UnsettledAndRefusedError,
    UnsettledCreateError,
    VersionExistsError,
)
"""What no retry can fix: the task's own parameters, its connection, and what the service will always refuse;
and what a retry could make worse."""


@contextmanager
def fail_without_retry() -> Iterator[None]:
    """Turn an error that no retry can fix into the exception with which Airflow does not retry."""
    try:
        yield
    except FINAL as error:
        raise AirflowFailException(str(error)) from error
