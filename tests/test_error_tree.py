"""Every error of the package has one base class, states whether a retry can succeed, and pickles."""

from __future__ import annotations

import pickle
from importlib import import_module
from pkgutil import walk_packages

import pytest

import airflow_provider_wriftai
from airflow_provider_wriftai._airflow.parameters import InvalidParameterError
from airflow_provider_wriftai.client import errors
from airflow_provider_wriftai.client.errors import RequestInfo, WriftAIError, parse_error
from airflow_provider_wriftai.domain.errors import TaskStoppedError
from airflow_provider_wriftai.domain.images.errors import InvalidImageError
from airflow_provider_wriftai.domain.patterns import InvalidPatternError, PatternTimeoutError
from airflow_provider_wriftai.domain.publishing.errors import (
    PreflightError,
    UnresolvedPublishError,
    VersionDeletedError,
    VersionExistsError,
)
from airflow_provider_wriftai.domain.retention.errors import (
    InvalidPolicyError,
    PruneIncompleteError,
    PruneStoppedError,
    TooManyDeletionsError,
    UnconfirmedDeleteError,
    UnmatchedProtectionError,
    UnplannableError,
)
from airflow_provider_wriftai.domain.retention.report import PruneReport, ReportedVersion
from airflow_provider_wriftai.domain.waiting.errors import (
    InvalidCriteriaError,
    VersionGoneError,
    WaitFailedError,
    WaitTimedOutError,
)
from airflow_provider_wriftai.domain.waiting.event_stream import ServiceChangedError
from airflow_provider_wriftai.domain.waiting.wait import ConnectionChangedError

_PLANNED: list[ReportedVersion] = [{"reference": "a/b:1", "created_at": "2026-01-01T00:00:00+00:00", "reason": "old"}]
REPORT = PruneReport(
    model="a/b",
    dry_run=False,
    planned_count=1,
    kept_count=0,
    protected_count=0,
    deleted_count=0,
    already_gone_count=0,
    interrupted_count=0,
    failed_count=1,
    planned=_PLANNED,
    kept=[],
    protected=[],
    deleted=[],
    already_gone=[],
    interrupted=[],
    failed=[{"reference": "a/b:1", "error": "no"}],
    unmatched_protections=[],
    truncated=[],
    only=[],
)

EXAMPLES: list[WriftAIError] = [
    errors.ConfigurationError("x"),
    errors.InvalidReferenceError("x"),
    errors.PaginationError("x"),
    errors.ConnectionFailedError(RequestInfo("GET", "/x"), "broke", ambiguous=True),
    errors.RequestTimeoutError(RequestInfo("GET", "/x"), "slow", ambiguous=False),
    errors.UnreadableResponseError(RequestInfo("GET", "/x"), "returned 200 with nonsense"),
    *(
        parse_error(RequestInfo("GET", "/x"), status, b'{"detail": "no"}', request_id="r1", retry_after=1.5)
        for status in (307, 400, 401, 403, 404, 409, 422, 429, 500, 503)
    ),
    InvalidImageError("x"),
    PreflightError("a/b", ["one", "two"]),
    VersionExistsError("a/b", "sha256:0", "a/b:1"),
    VersionDeletedError("sha256:0", "a/b:1"),
    TaskStoppedError.while_publishing("a/b"),
    UnresolvedPublishError("a/b", "sha256:0", "It broke.", next_step="Look there.", retryable=False),
    InvalidPatternError("x"),
    PatternTimeoutError("x"),
    ServiceChangedError("x"),
    ConnectionChangedError("x"),
    InvalidPolicyError("x"),
    UnplannableError("x"),
    PruneIncompleteError(REPORT, retryable=True),
    PruneIncompleteError(REPORT, retryable=False),
    PruneStoppedError("a/b", REPORT),
    UnconfirmedDeleteError("a/b:1"),
    UnmatchedProtectionError(REPORT, ["a/b:9"]),
    TooManyDeletionsError(REPORT, 0),
    InvalidParameterError("x"),
    InvalidCriteriaError("x"),
    VersionGoneError("x"),
    WaitFailedError("x"),
    WaitTimedOutError("x"),
]


FINAL = {
    "AuthenticationError", "ConfigurationError", "InvalidCriteriaError", "InvalidImageError", "InvalidParameterError",
    "InvalidPatternError", "InvalidPolicyError", "InvalidReferenceError", "InvalidRequestError", "VersionGoneError",
    "ConnectionChangedError", "PatternTimeoutError", "PermissionDeniedError", "PruneIncompleteError",
    "PreflightError", "RedirectError", "ServiceChangedError", "TooManyDeletionsError",
    "UnmatchedProtectionError", "VersionDeletedError", "VersionExistsError", "WaitTimedOutError",
}  # fmt: skip
"""The errors for which another attempt cannot succeed."""


def _all_classes(cls: type[WriftAIError]) -> set[type[WriftAIError]]:
    return {cls}.union(*(_all_classes(child) for child in cls.__subclasses__()))


def _load_everything() -> None:
    for module in walk_packages(airflow_provider_wriftai.__path__, f"{airflow_provider_wriftai.__name__}."):
        if not module.name.endswith(("__main__", "version_stream", "openlineage", "pytest_plugin")):
            import_module(module.name)


def test_every_error_has_an_example() -> None:
    _load_everything()
    abstract = {errors.WriftAIError, errors.RequestError}
    assert {type(example) for example in EXAMPLES} == _all_classes(WriftAIError) - abstract


def test_the_class_states_whether_another_attempt_can_succeed() -> None:
    _load_everything()
    assert {cls.__name__ for cls in _all_classes(WriftAIError) if not cls.retryable} - {"WriftAIError"} == FINAL


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
def test_every_error_pickles_completely(error: WriftAIError) -> None:
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert type(copy) is type(error)
    assert str(copy) == str(error)
    assert vars(copy) == vars(error)
    assert copy.retryable is error.retryable


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
def test_a_message_is_a_sentence(error: WriftAIError) -> None:
    if str(error) != "x":
        assert str(error)[0].isupper() or str(error).startswith(("a/b", "1 "))
        assert str(error).rstrip().endswith((".", "one", "two", "old", "no", "a/b:9"))
