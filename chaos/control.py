"""The sandbox, seen from behind: what is to go wrong with it, and what is really in its database.

Needs nothing but Python, so that a worker in any environment can use it.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any
from urllib.parse import urlsplit

OWNER = "acme"


class Control:
    """Faults and truth of one sandbox.

    Args:
        url: The sandbox's URL.
        database: Its database file.
    """

    def __init__(self, url: str, database: str) -> None:
        self._host = urlsplit(url).netloc
        self._database = database

    def _send(self, method: str, path: str, body: Any = None) -> Any:
        with closing(http.client.HTTPConnection(self._host, timeout=60)) as connection:
            headers = {"content-type": "application/json"} if body is not None else {}
            connection.request(method, path, json.dumps(body) if body is not None else None, headers)
            answer = connection.getresponse()
            text = answer.read()
            if answer.status >= 300:
                raise RuntimeError(f"{method} {path}: {answer.status} {text!r}")
            return json.loads(text) if text else None

    def add_faults(self, faults: list[dict[str, Any]]) -> None:
        """Let things go wrong."""
        if faults:
            self._send("POST", "/faults", faults)

    def end_faults(self) -> int:
        """Let nothing go wrong any more, and everything that is under way be done.

        Returns:
            How many faults were still to come.
        """
        self._send("POST", "/faults/release")
        left = self._send("GET", "/faults")
        self._send("DELETE", "/faults")
        return sum(fault.get("times", 1) for fault in left)

    def release(self) -> None:
        """Let work that is done late be done."""
        self._send("POST", "/faults/release")

    def add_model(self, owner: str, name: str, versions: int) -> None:
        """Make a model that has some versions of other images."""
        self.add_versions(
            owner,
            name,
            [(f"2026-01-01T00:00:{number:02}.000000Z", f"old {number}", f"sha256:{number:064x}")
             for number in range(1, versions + 1)],
        )  # fmt: skip

    def add_versions(self, owner: str, name: str, made: Iterable[tuple[str, str, str]]) -> list[str]:
        """Make versions of a model, and the model if it is not there.

        Args:
            owner: The model's owner.
            name: Its name.
            made: The time of creation, the release notes and the digest of each, the oldest first.

        Returns:
            Their ids.
        """
        ids: list[str] = []
        with self._writing() as connection:
            connection.execute("INSERT OR IGNORE INTO models VALUES (?, ?, 0)", (owner, name))
            (number,) = connection.execute(
                "SELECT last_number FROM models WHERE owner = ? AND name = ?", (owner, name)
            ).fetchone()
            for created_at, notes, digest in made:
                number += 1
                ids.append(f"{name}-{number}")
                connection.execute(
                    "INSERT INTO versions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (ids[-1], owner, name, number, created_at, notes, digest, "{}", "{}", "{}", None),
                )
            connection.execute("UPDATE models SET last_number = ? WHERE owner = ? AND name = ?", (number, owner, name))
        return ids

    def remove_version(self, version_id: str) -> bool:
        """Delete a version as somebody else would; tells whether it was there."""
        with self._writing() as connection:
            return connection.execute("DELETE FROM versions WHERE id = ?", (version_id,)).rowcount > 0

    def add_token(self, token: str, owner: str) -> None:
        """Let a token act for an owner."""
        with self._writing() as connection:
            connection.execute("INSERT OR REPLACE INTO tokens VALUES (?, ?)", (_hash(token), owner))

    def revoke_token(self, token: str) -> None:
        """Let a token act for nobody any more."""
        with self._writing() as connection:
            connection.execute("DELETE FROM tokens WHERE sha256 = ?", (_hash(token),))

    def versions_of(self, owner: str, name: str, digest: str) -> list[tuple[str, str]]:
        """Tell how every version of an image is named, in generation 1 and 2."""
        rows = self.rows(
            "SELECT id, number FROM versions WHERE owner = ? AND name = ? AND container_image_digest = ?",
            owner, name, digest,
        )  # fmt: skip
        return [(str(row[0]), f"{owner}/{name}:{row[1]}") for row in rows]

    def names(self, owner: str, name: str) -> dict[str, str]:
        """Tell the name of each version of a model in generation 2, by its id."""
        rows = self.rows("SELECT id, number FROM versions WHERE owner = ? AND name = ?", owner, name)
        return {str(row[0]): f"{owner}/{name}:{row[1]}" for row in rows}

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Ask the database."""
        with closing(sqlite3.connect(self._database, timeout=30)) as connection:
            return connection.execute(query, values).fetchall()

    def named_rows(self, query: str, values: Mapping[str, object]) -> list[tuple[Any, ...]]:
        """Ask the database with values by name."""
        with closing(sqlite3.connect(self._database, timeout=30)) as connection:
            return connection.execute(query, values).fetchall()

    def damage(self) -> str | None:
        """Let SQLite check the database; tells what is wrong with it."""
        found = [str(row[0]) for row in self.rows("PRAGMA integrity_check")]
        found += [str(row) for row in self.rows("PRAGMA foreign_key_check")]
        return None if found == ["ok"] else "; ".join(found)

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self._database, timeout=30)) as connection, connection:
            yield connection


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
