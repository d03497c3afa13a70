"""The sandbox's data in SQLite: tokens, models, versions, and a log of requests."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sqlite3
import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from airflow_provider_wriftai.sandbox.pagination import PagedList

_SCHEMA = """
CREATE TABLE IF NOT EXISTS tokens (sha256 TEXT PRIMARY KEY, owner TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS models (
    owner TEXT NOT NULL, name TEXT NOT NULL, last_number INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (owner, name)
);
CREATE TABLE IF NOT EXISTS versions (
    id TEXT PRIMARY KEY, owner TEXT NOT NULL, name TEXT NOT NULL, number INTEGER NOT NULL,
    created_at TEXT NOT NULL, release_notes TEXT NOT NULL, container_image_digest TEXT NOT NULL,
    schemas TEXT NOT NULL, compatibilities TEXT NOT NULL, configuration TEXT NOT NULL, size INTEGER,
    UNIQUE (owner, name, number), FOREIGN KEY (owner, name) REFERENCES models (owner, name)
);
CREATE TABLE IF NOT EXISTS requests (
    position INTEGER PRIMARY KEY, at TEXT NOT NULL, caller TEXT, method TEXT NOT NULL, path TEXT NOT NULL,
    status INTEGER NOT NULL
);
"""

_REQUESTS_KEPT = 10_000
_NEWEST = 2**62
_LONGEST_NUMBER = 18

COMPATIBILITIES = (
    "openai_chat_completions",
    "openai_embeddings",
    "openai_images_generations",
    "openai_responses",
    "anthropic_messages",
)

DEFAULT_CONFIGURATION: Mapping[str, Any] = {"hardware_identifier": "cpu", "variable_names": []}


@dataclass(frozen=True, slots=True)
class StoredVersion:
    """A row of ``versions``: everything that any shape of the API shows of a version."""

    id: str
    owner: str
    name: str
    number: int
    created_at: str
    release_notes: str
    container_image_digest: str
    schemas: dict[str, Any]
    compatibilities: dict[str, bool]
    configuration: dict[str, Any]
    size: int | None

    @classmethod
    def of_row(cls, row: sqlite3.Row) -> StoredVersion:
        values = dict(row)
        for key in ("schemas", "compatibilities", "configuration"):
            values[key] = json.loads(values[key])
        return cls(**values)


@dataclass(frozen=True, slots=True)
class StoredModel:
    """A row of ``models``.

    Attributes:
        position: The place of the model in the order of creation.
        owner: The owner of the model.
        name: The name of the model.
    """

    position: int
    owner: str
    name: str


class Store:
    """The sandbox's database.

    Args:
        path: The SQLite file. A missing file, and missing folders above it, are created for their owner only.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        _make_private(path)
        self._lock = threading.RLock()
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._connection.row_factory = sqlite3.Row
        for statement in ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=NORMAL", "PRAGMA foreign_keys=ON"):
            self._connection.execute(statement)
        self._connection.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the database."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                # On a full disk SQLite has already rolled back.
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def _rows(self, query: str, *values: object) -> list[sqlite3.Row]:
        with self._lock:
            return self._connection.execute(query, values).fetchall()

    def add_token(self, token: str, owner: str) -> None:
        """Let a token act for an owner. Only its hash is stored."""
        self._rows("INSERT OR REPLACE INTO tokens VALUES (?, ?)", _hash(token), owner)

    def owner_of_token(self, token: str) -> str | None:
        """Return the owner that a token acts for; None if the token is unknown."""
        rows = self._rows("SELECT owner FROM tokens WHERE sha256 = ?", _hash(token))
        return str(rows[0]["owner"]) if rows else None

    def add_model(self, owner: str, name: str) -> None:
        """Create a model without versions, unless it exists."""
        self._rows("INSERT OR IGNORE INTO models (owner, name) VALUES (?, ?)", owner, name)

    def has_model(self, owner: str, name: str) -> bool:
        """Return whether a model exists."""
        return bool(self._rows("SELECT 1 FROM models WHERE owner = ? AND name = ?", owner, name))

    def models(self) -> list[dict[str, Any]]:
        """List every model with how many versions it has and which is the newest."""
        return [
            dict(row)
            for row in self._rows(
                "SELECT owner, name, count(number) AS versions, max(number) AS newest, "
                "max(created_at) AS published_at FROM models LEFT JOIN versions USING (owner, name) "
                "GROUP BY owner, name ORDER BY owner, name"
            )
        ]

    def has_owner(self, owner: str) -> bool:
        """Return whether an owner has a model or a token."""
        query = "SELECT 1 FROM models WHERE owner = ? UNION SELECT 1 FROM tokens WHERE owner = ?"
        return bool(self._rows(query, owner, owner))

    def models_of(self, owner: str) -> PagedList[StoredModel]:
        """Return the models of an owner, newest first."""

        def below(position: int | None, limit: int) -> list[StoredModel]:
            rows = self._rows(
                "SELECT rowid AS position, owner, name FROM models WHERE owner = ? AND rowid < ? "
                "ORDER BY rowid DESC LIMIT ?",
                owner, _NEWEST if position is None else position, limit,
            )  # fmt: skip
            return [StoredModel(**dict(row)) for row in rows]

        def above(position: int, limit: int) -> list[StoredModel]:
            rows = self._rows(
                "SELECT rowid AS position, owner, name FROM models WHERE owner = ? AND rowid > ? "
                "ORDER BY rowid LIMIT ?",
                owner, position, limit,
            )  # fmt: skip
            return [StoredModel(**dict(row)) for row in reversed(rows)]

        return PagedList(below, above, position=lambda model: model.position)

    def versions_of(self, owner: str, name: str) -> PagedList[StoredVersion]:
        """Return the versions of a model, newest first."""
        return PagedList(
            partial(self.versions_below, owner, name),
            partial(self.versions_above, owner, name),
            position=lambda version: version.number,
        )

    def create_version(
        self,
        owner: str,
        name: str,
        *,
        release_notes: str,
        schemas: Mapping[str, Any],
        container_image_digest: str,
        compatibilities: Mapping[str, bool] | None = None,
        configuration: Mapping[str, Any] | None = None,
        created_at: datetime | None = None,
    ) -> StoredVersion:
        """Create the next version of a model. Its number was never used before.

        Without a configuration, the version inherits that of the previous one.
        """
        with self._transaction() as connection:
            (last_number,) = connection.execute(
                "UPDATE models SET last_number = last_number + 1 WHERE owner = ? AND name = ? RETURNING last_number",
                (owner, name),
            ).fetchone()
            previous = connection.execute(
                "SELECT configuration FROM versions WHERE owner = ? AND name = ? ORDER BY number DESC LIMIT 1",
                (owner, name),
            ).fetchone()
            inherited = json.loads(previous["configuration"]) if previous else DEFAULT_CONFIGURATION
            version = StoredVersion(
                id=str(uuid.uuid4()),
                owner=owner,
                name=name,
                number=last_number,
                created_at=timestamp(created_at),
                release_notes=release_notes,
                container_image_digest=container_image_digest,
                schemas=dict(schemas),
                compatibilities={key: bool((compatibilities or {}).get(key)) for key in COMPATIBILITIES},
                configuration=dict(configuration or inherited),
                size=int(container_image_digest[-6:], 16),
            )
            connection.execute(
                "INSERT INTO versions VALUES (:id, :owner, :name, :number, :created_at, :release_notes, "
                ":container_image_digest, :schemas, :compatibilities, :configuration, :size)",
                {
                    key: json.dumps(value) if isinstance(value := getattr(version, key), dict) else value
                    for key in StoredVersion.__slots__
                },
            )
        return version

    def version_by_id(self, version_id: str) -> StoredVersion | None:
        """Find a version by its id."""
        rows = self._rows("SELECT * FROM versions WHERE id = ?", version_id)
        return StoredVersion.of_row(rows[0]) if rows else None

    def version_by_number(self, owner: str, name: str, number: int) -> StoredVersion | None:
        """Find a version by its number within a model."""
        rows = self._rows("SELECT * FROM versions WHERE owner = ? AND name = ? AND number = ?", owner, name, number)
        return StoredVersion.of_row(rows[0]) if rows else None

    def versions(self, owner: str, name: str) -> list[StoredVersion]:
        """List all versions of a model, newest first."""
        return self.versions_below(owner, name, None, -1)

    def versions_below(self, owner: str, name: str, number: int | None, limit: int) -> list[StoredVersion]:
        """List up to ``limit`` versions older than a number (None: from the newest), newest first."""
        rows = self._rows(
            "SELECT * FROM versions WHERE owner = ? AND name = ? AND number < ? ORDER BY number DESC LIMIT ?",
            owner, name, _NEWEST if number is None else number, limit,
        )  # fmt: skip
        return [StoredVersion.of_row(row) for row in rows]

    def versions_above(self, owner: str, name: str, number: int, limit: int) -> list[StoredVersion]:
        """List up to ``limit`` versions just newer than a number, newest first."""
        rows = self._rows(
            "SELECT * FROM versions WHERE owner = ? AND name = ? AND number > ? ORDER BY number LIMIT ?",
            owner, name, number, limit,
        )  # fmt: skip
        return [StoredVersion.of_row(row) for row in reversed(rows)]

    def delete_version(self, version: StoredVersion) -> None:
        """Delete a version for good."""
        self._rows("DELETE FROM versions WHERE id = ?", version.id)

    def set_configuration(self, version: StoredVersion, configuration: Mapping[str, Any]) -> None:
        """Replace the configuration of a version."""
        self._rows("UPDATE versions SET configuration = ? WHERE id = ?", json.dumps(dict(configuration)), version.id)

    def record_request(self, caller: str | None, method: str, path: str, status: int) -> None:
        """Add a request to the log, which keeps the latest 10,000. On a full disk the request is not logged."""
        with self._lock, contextlib.suppress(sqlite3.OperationalError):
            position = self._connection.execute(
                "INSERT INTO requests (at, caller, method, path, status) VALUES (?, ?, ?, ?, ?)",
                (timestamp(None), caller, method, path, status),
            ).lastrowid
            if position and position % 1000 == 0:
                self._rows("DELETE FROM requests WHERE position <= ?", position - _REQUESTS_KEPT)

    def requests(self, limit: int = 200) -> list[dict[str, Any]]:
        """List the latest requests, newest first."""
        return [dict(row) for row in self._rows("SELECT * FROM requests ORDER BY position DESC LIMIT ?", limit)]


def _make_private(path: Path) -> None:
    """Create a file, and the folders above it, for their owner only. What exists is left alone."""
    for folder in reversed(path.parents):
        folder.mkdir(mode=0o700, exist_ok=True)
    # SQLite gives the files beside the database the permissions of the database.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))


def parse_number(text: str) -> int | None:
    """Read the number of a version; None if the text cannot be one."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= _LONGEST_NUMBER else None


def timestamp(moment: datetime | None) -> str:
    """Format a time (None for now) as the service does: ISO 8601, UTC, microseconds, ``Z``."""
    return (moment or datetime.now(UTC)).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
