"""A model of the parts of WriftAI that publishing uses, in virtual time."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow_provider_wriftai.client.endpoints import Operation
from airflow_provider_wriftai.client.errors import NotFoundError, RequestInfo
from airflow_provider_wriftai.client.pagination import PaginatedResponse
from airflow_provider_wriftai.client.references import ModelReference, VersionId, VersionNumber, VersionReference
from airflow_provider_wriftai.client.version import VersionRecord

MODEL = ModelReference("acme", "explored")
DIGEST = "sha256:" + "ab" * 32
OTHER_DIGEST = "sha256:" + "cd" * 32
NOTES = "of this task"
_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Row:
    """A version in the service.

    Attributes:
        creator: The name of the task that created it.
        created_at: The creation time, in virtual seconds.
    """

    number: int
    creator: str
    digest: str
    notes: str
    created_at: float


@dataclass
class Service:
    """The service.

    Attributes:
        generation: 1 if versions are named by id, 2 if by number.
        digests: Where the service reports digests: in ``lists``, in ``details`` only, or ``nowhere``.
        now: The virtual time, in seconds.
        rows: The existing versions, oldest first.
        created: All versions that were ever created.
        deleted: The numbers of the deleted versions, with the task that deleted each.
        late_creates: The times of create requests that are executed late, with the task that sent each.
    """

    generation: int
    digests: str
    now: float = 1000.0
    rows: list[Row] = field(default_factory=list)
    created: list[Row] = field(default_factory=list)
    deleted: list[tuple[int, str]] = field(default_factory=list)
    late_creates: list[tuple[float, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        for _ in range(2):
            self.create("before", OTHER_DIGEST, "old")
            self.now += 100.0

    def clock(self) -> float:
        """Return the virtual time."""
        return self.now

    def advance(self, seconds: float) -> None:
        """Advance the time, and execute the late creates that are due by then."""
        end = self.now + seconds
        for when, creator in sorted(each for each in self.late_creates if each[0] <= end):
            self.late_creates.remove((when, creator))
            self.now = when
            self.create(creator)
        self.now = end

    def create(self, creator: str, digest: str = DIGEST, notes: str = NOTES) -> Row:
        """Create a version."""
        row = Row(len(self.created) + 1, creator, digest, notes, self.now)
        self.created.append(row)
        self.rows.append(row)
        return row

    def execute(self, operation: Operation[Any], sender: str, *, stale: bool = False) -> Any:
        """Execute a request.

        Args:
            operation: The request.
            sender: The name of the task that sends it.
            stale: Whether a list omits the newest version.

        Raises:
            NotFoundError: The version does not exist.
        """
        if operation.method == "POST":
            return self._record(self.create(sender, notes=(operation.body or {})["release_notes"]), is_whole=True)
        if operation.path.endswith("/versions"):
            newest_first = [self._record(row) for row in reversed(self.rows)]
            return PaginatedResponse(newest_first[int(stale) :], None, None)
        row = next((row for row in self.rows if operation.path.endswith(f"/{self.name(row)}")), None)
        if row is None:
            raise self.not_found(operation)
        if operation.method == "DELETE":
            self.rows.remove(row)
            self.deleted.append((row.number, sender))
            return True
        return self._record(row, is_whole=True)

    def not_found(self, operation: Operation[Any]) -> NotFoundError:
        """Return the error of a version that does not exist."""
        return NotFoundError(RequestInfo(operation.method, operation.path), 404, "Not found.")

    def name(self, row: Row) -> str:
        """Return the name of a version in the paths of requests."""
        return str(row.number) if self.generation == 2 else f"id-{row.number}"

    def reference(self, row: Row) -> VersionReference:
        """Return the reference of a version."""
        return VersionNumber(MODEL, row.number) if self.generation == 2 else VersionId(self.name(row))

    def row_of(self, reference: VersionReference) -> Row | None:
        """Return the version with a reference, if it exists."""
        return next((row for row in self.rows if self.reference(row) == reference), None)

    def _record(self, row: Row, *, is_whole: bool = False) -> VersionRecord:
        is_reported = self.digests == "lists" or (self.digests == "details" and is_whole)
        return VersionRecord(
            self.reference(row),
            _EPOCH + timedelta(seconds=row.created_at),
            row.notes,
            row.digest if is_reported else None,
        )
