"""What can go wrong with pruning, beyond the errors of the client."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_wriftai.client.errors import WriftAIError


class InvalidPolicyError(WriftAIError, ValueError):
    """A retention policy that cannot be meant; nothing was deleted."""


class UnplannableError(WriftAIError):
    """What the service says of the versions does not allow a safe decision; nothing was deleted."""


class PruneIncompleteError(WriftAIError):
    """Some of the planned versions could not be deleted; all others were.

    Attributes:
        report: What was done: see ``prune``.
    """

    def __init__(self, report: Mapping[str, Any]) -> None:
        self.report = report
        failed = report["failed"]
        listed = "".join(f"\n  - {entry['reference']}: {entry['error']}" for entry in failed)
        super().__init__(
            f"{len(failed)} of {len(report['planned'])} versions of {report['model']} could not be deleted; "
            f"the others were. Another try does the rest.{listed}"
        )
