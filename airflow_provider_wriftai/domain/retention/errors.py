"""The errors of pruning, beyond those of the client."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from airflow_provider_wriftai.client.errors import WriftAIError
from airflow_provider_wriftai.client.text import format_count, join_limited
from airflow_provider_wriftai.domain.errors import TaskStoppedError

if TYPE_CHECKING:
    from airflow_provider_wriftai.domain.retention.report import PruneReport


class InvalidPolicyError(WriftAIError, ValueError):
    """The retention policy is invalid. Nothing was deleted."""


class UnplannableError(WriftAIError):
    """The service's list of versions does not allow a safe decision. Nothing was deleted."""

    retryable = True


def listed_twice(reference: object) -> UnplannableError:
    """Return the error for a version that a list names twice."""
    return UnplannableError(
        f"The service listed {reference} twice, so its list cannot be relied on. Nothing was deleted."
    )


class UnmatchedProtectionError(WriftAIError):
    """A protection matches no version, and ``fail_on_unmatched_protection`` is set. Nothing was deleted.

    Attributes:
        report: What would have been done: see ``prune``.
    """

    def __init__(self, report: PruneReport, unmatched: Sequence[str]) -> None:
        self.report = report
        super().__init__(
            f"{format_count(len(unmatched), 'protection')} of {report['model']} matched no version, so nothing was "
            "deleted. Correct or remove what is listed here, or unset fail_on_unmatched_protection."
            + join_limited(unmatched)
        )


class TooManyDeletionsError(WriftAIError):
    """More versions would be deleted than ``max_deletions`` allows. Nothing was deleted.

    Attributes:
        report: What would have been done: see ``prune``.
    """

    def __init__(self, report: PruneReport, max_deletions: int) -> None:
        self.report = report
        super().__init__(
            f"The prune of {report['model']} would delete {format_count(report['planned_count'], 'version')}, and "
            f"max_deletions is {max_deletions}, so nothing was deleted. Run it with dry_run to see the plan, and raise "
            "max_deletions if the plan is what you want."
            + join_limited([f"{entry['reference']}: {entry['reason']}" for entry in report["planned"]])
        )


class PruneIncompleteError(WriftAIError):
    """Some of the planned versions could not be deleted.

    ``retryable`` says whether another attempt can delete them: not if the service refused them for good (401, 403).

    Attributes:
        report: What was done: see ``prune``.
    """

    def __init__(self, report: PruneReport, *, retryable: bool) -> None:
        self.report = report
        self.retryable = retryable
        next_step = (
            "Another attempt may delete the rest."
            if retryable
            else "Another attempt would fail, too: correct what the reasons below name, or protect these versions."
        )
        super().__init__(
            f"{report['failed_count']} of {format_count(report['planned_count'], 'planned delete')} of "
            f"{report['model']} failed, and {report['deleted_count']} succeeded. {next_step}"
            + join_limited([f"{entry['reference']}: {entry['error']}" for entry in report["failed"]])
        )


class UnconfirmedDeleteError(WriftAIError):
    """The service accepted the delete of a version without confirming it, and the version still exists."""

    retryable = True

    def __init__(self, reference: str) -> None:
        super().__init__(
            f"The service answered the delete of {reference} with success, but not as its contract says, and the "
            "version still exists. Check what is between Airflow and the service; another attempt is safe."
        )


class PruneStoppedError(TaskStoppedError):
    """Airflow stopped the task. Another attempt deletes the rest.

    Attributes:
        report: What was done until then: see ``prune``; None if nothing was planned yet.
    """

    def __init__(self, model: str, report: PruneReport | None) -> None:
        self.report = report
        done = (
            f"{report['deleted_count']} of {format_count(report['planned_count'], 'version')} had been deleted"
            if report
            else "nothing had been deleted"
        )
        super().__init__(f"The prune of {model} was stopped: {done}. Another attempt deletes the rest.")
