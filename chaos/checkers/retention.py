"""Check that a prune deletes everything that is due, and nothing else.

The reference implementation is naive. It follows the guide, not the code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow_provider_wriftai.sandbox.store import StoredVersion
from chaos.histories import Rules, names_of
from chaos.scenario import Finding, Kind
from chaos.service import Service


def find_due(versions: Sequence[StoredVersion], rules: Rules, generation: int) -> set[str]:
    """Return the ids of the versions that are due; none if they exceed ``max_deletions``."""

    def newness(version: StoredVersion) -> Any:
        # Only numbers order versions that were created at the same time.
        return version.number if generation == 2 else _created(version)

    now = datetime.now(UTC)
    kept_by_calendar = _kept_by_calendar(versions, rules, newness)
    due = set()
    for version in versions:
        newer = sum(newness(other) > newness(version) for other in versions)
        age = now - _created(version)
        if not (
            newer == 0
            or (rules.keep_last is not None and newer < rules.keep_last)
            or (rules.older_than_days is not None and age <= timedelta(days=rules.older_than_days))
            or version.id in kept_by_calendar
            or version.id in rules.protected
            or version.container_image_digest in rules.protected_digests
            or (rules.protected_word is not None and rules.protected_word in version.release_notes.lower())
            or (rules.only is not None and version.id not in rules.only)
        ):
            due.add(version.id)
    return set() if rules.max_deletions is not None and len(due) > rules.max_deletions else due


def _kept_by_calendar(versions: Sequence[StoredVersion], rules: Rules, newness: Any) -> set[str]:
    formats = {"keep_daily": "%Y-%m-%d", "keep_weekly": "%G-%V", "keep_monthly": "%Y-%m", "keep_yearly": "%Y"}
    kept: set[str] = set()
    for parameter, periods in rules.calendar.items():
        by_period: dict[str, list[StoredVersion]] = {}
        for version in versions:
            by_period.setdefault(_created(version).strftime(formats[parameter]), []).append(version)
        for period in sorted(by_period, reverse=True)[:periods]:
            newest = max(map(newness, by_period[period]))
            kept |= {version.id for version in by_period[period] if newness(version) == newest}
    return kept


def _created(version: StoredVersion) -> datetime:
    return datetime.fromisoformat(version.created_at)


class RetentionChecker:
    """Compares what all tries of a prune deleted with what was due.

    Attributes:
        due: The ids of the versions that were due at the start of the latest try.
    """

    def __init__(self, service: Service, name: str, generation: int, rules: Rules) -> None:
        self._service = service
        self._name = name
        self._generation = generation
        self._rules = rules
        self._known: dict[str, str] = {}
        self._deleted_by_others: set[str] = set()
        self._may_be_deleted: set[str] = set()
        self.due: set[str] = set()

    def try_begins(self) -> None:
        """Record the existing and the due versions, before a try lists them."""
        self._record()
        self.due = find_due(self._service.versions(self._name), self._rules, self._generation)
        self._may_be_deleted |= self.due

    def disturb(self, published: int, deleted: int) -> None:
        """Publish versions and delete due ones on behalf of somebody else."""
        for version in self._service.versions(self._name):
            if version.id in sorted(self.due)[:deleted]:
                self._deleted_by_others.add(version.id)
                self._service.store.delete_version(version)
        for _ in range(published):
            long_ago = datetime(2026, 1, 1, tzinfo=UTC)
            self._service.publish(self._name, "by somebody else", f"sha256:{0:064x}", created_at=long_ago)
        self._record()

    def check(self, report: Mapping[str, Any] | None) -> tuple[Finding, ...]:
        """Check the versions that exist now.

        Args:
            report: The report that the task returned; None if it failed.
        """
        existing = names_of(self._service.versions(self._name), self._generation)
        gone = self._known.keys() - existing.keys()
        findings = [
            Finding(Kind.WRONGLY_DELETED, self._known[each])
            for each in sorted(gone - self._deleted_by_others - self._may_be_deleted)
        ]
        if report is not None:
            reported = {*report["deleted"], *report["already_gone"]}
            findings += [
                Finding(Kind.LOST, f"{each} was reported as deleted but exists")
                for each in sorted(reported.intersection(existing.values()))
            ]
            findings += [
                Finding(Kind.LOST, f"{existing[each]} was due but exists")
                for each in sorted(self.due & existing.keys())
            ]
        return tuple(findings)

    def _record(self) -> None:
        self._known |= names_of(self._service.versions(self._name), self._generation)
