"""What can go wrong with pruning, beyond the errors of the client."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_wriftai.client.errors import WriftAIError

_MOST_TOLD = 20


class InvalidPolicyError(WriftAIError, ValueError):
    """A retention policy that cannot be meant; nothing was deleted."""


class UnplannableError(WriftAIError):
    """What the service says of the versions does not allow a safe decision; nothing was deleted."""


class TooManyDeletionsError(WriftAIError):
    """More versions would go than ``max_deletions`` allows; nothing was deleted.

    Attributes:
        report: What would have been done: see ``prune``.
    """

    def __init__(self, report: Mapping[str, Any], max_deletions: int) -> None:
        self.report = report
        planned = report["planned"]
        super().__init__(
            f"{len(planned)} versions of {report['model']} would go, and max_deletions is {max_deletions}, so nothing "
            "was deleted. Rehearse with dry_run, and raise max_deletions if that is what you want. They are:"
            + _told([f"{entry['reference']}: {entry['reason']}" for entry in planned])
        )


class PruneIncompleteError(WriftAIError):
    """Some of the planned versions could not be deleted; another try does the rest.

    Attributes:
        report: What was done: see ``prune``.
    """

    next_step = "Another try does the rest."

    def __init__(self, report: Mapping[str, Any]) -> None:
        self.report = report
        failed = report["failed"]
        super().__init__(
            f"{len(failed)} of {len(report['planned'])} versions of {report['model']} could not be deleted; "
            f"{len(report['deleted'])} were. {self.next_step}"
            + _told([f"{entry['reference']}: {entry['error']}" for entry in failed])
        )


class PruneRefusedError(PruneIncompleteError):
    """The same where the service refused them for good (401, 403): no other try can delete them."""

    next_step = "Another try could not either: give the connection a token that may delete them, or protect them."


class PruneStoppedError(WriftAIError):
    """Airflow stopped the task half-way; nothing is lost, and another try does the rest."""


def _told(lines: list[str]) -> str:
    more = [f"… and {len(lines) - _MOST_TOLD} more"] if len(lines) > _MOST_TOLD else []
    return "".join(f"\n  - {line}" for line in [*lines[:_MOST_TOLD], *more])
