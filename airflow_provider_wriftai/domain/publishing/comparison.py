"""Compare versions with what was requested, and with each other."""

from __future__ import annotations

import logging

from airflow_provider_wriftai.client.version import VersionRecord
from airflow_provider_wriftai.client.versions import CreateVersionParams

log = logging.getLogger(__name__)


def has_release_notes(version: VersionRecord, release_notes: str) -> bool:
    """Return whether a version has some release notes, except for white space, which the service may normalize."""
    return version.release_notes is not None and version.release_notes.split() == release_notes.split()


def report_differences(version: VersionRecord, params: CreateVersionParams, *, is_own: bool) -> None:
    """Log what differs between a version and what was requested."""
    differing: list[str] = [
        key
        for key in ("schemas", "compatibilities", "configuration")
        if key in params and key in version.body and not _agrees(version.body[key], params[key])
    ]
    if version.release_notes is not None and not has_release_notes(version, params["release_notes"]):
        if is_own:
            differing.insert(0, "release_notes")
        else:
            # Expected where the release notes hold a date or a run id.
            log.info(
                "The release notes of %s differ from those of this task. Versions never change.", version.reference
            )
    if differing:
        log.warning(
            "%s differs from what was requested in %s. Versions never change.", version.reference, ", ".join(differing)
        )


def _agrees(reported: object, requested: object) -> bool:
    """Return whether the service reports what was requested; it may add keys of its own."""
    if isinstance(reported, dict) and isinstance(requested, dict):
        return all(key in reported and _agrees(reported[key], value) for key, value in requested.items())
    return reported == requested


def age_order(version: VersionRecord) -> tuple[float, str]:
    """Return by what versions of one model are ordered, oldest first."""
    if version.number is not None:
        return float(version.number), ""
    return (version.created_at.timestamp() if version.created_at else float("inf")), str(version.reference)
