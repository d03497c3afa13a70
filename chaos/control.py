"""The sandbox, seen from behind: what is to go wrong with it, and what is really in its database.

Needs nothing but Python, so that a worker in any environment can use it.
"""

from __future__ import annotations

import http.client
import json
import sqlite3
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit


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
        with closing(http.client.HTTPConnection(self._host)) as connection:
            connection.request(method, path, json.dumps(body) if body is not None else None)
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
        left = len(self._send("GET", "/faults"))
        self._send("DELETE", "/faults")
        return left

    def release(self) -> None:
        """Let work that is done late be done."""
        self._send("POST", "/faults/release")

    def add_model(self, owner: str, name: str, versions: int) -> None:
        """Make a model that has some versions of other images."""
        with closing(sqlite3.connect(self._database, timeout=30)) as connection, connection:
            connection.execute("INSERT INTO models VALUES (?, ?, ?)", (owner, name, versions))
            connection.executemany(
                "INSERT INTO versions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (
                        *(f"{name}-{number}", owner, name, number, f"2026-01-01T00:00:{number:02}.000000Z"),
                        *(f"old {number}", f"sha256:{number:064x}", "{}", "{}", "{}", None),
                    )
                    for number in range(1, versions + 1)
                ],
            )

    def versions_of(self, owner: str, name: str, digest: str) -> list[tuple[str, str]]:
        """Tell how every version of an image is named, in generation 1 and 2."""
        with closing(sqlite3.connect(self._database, timeout=30)) as connection:
            rows = connection.execute(
                "SELECT id, number FROM versions WHERE owner = ? AND name = ? AND container_image_digest = ?",
                (owner, name, digest),
            ).fetchall()
        return [(str(row[0]), f"{owner}/{name}:{row[1]}") for row in rows]
