"""Check that a task publishes exactly one version, and returns it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow_provider_wriftai.sandbox.store import StoredVersion
from chaos.scenario import Finding, Kind
from chaos.service import name_of


def check_published(
    versions: Sequence[StoredVersion], returned: Any, generation: int, evidence: str = ""
) -> tuple[Finding, ...]:
    """Check a successful task, given the versions of its image and its return value."""
    names = [name_of(version, generation) for version in versions]
    if len(names) > 1:
        return (Finding(Kind.DUPLICATED, f"{names}; returned {returned}. {evidence}"),)
    reference = returned.get("reference") if isinstance(returned, dict) else None
    if [reference] != names:
        return (Finding(Kind.LOST, f"returned {returned}; {names} exist. {evidence}"),)
    return ()
