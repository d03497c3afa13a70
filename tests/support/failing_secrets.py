"""A secrets backend that fails when a test asks for it."""

from __future__ import annotations

import os
from pathlib import Path

from airflow.secrets import BaseSecretsBackend


class FailingSecrets(BaseSecretsBackend):
    """Reads connections whose ids begin with ``secret_`` from the JSON files ``<id>.json`` in ``SECRETS_FOLDER``.

    Each byte of the file ``<id>.failures`` makes one lookup fail. Each failure adds a byte to the file ``<id>.failed``.
    """

    def get_conn_value(self, conn_id: str, team_name: str | None = None) -> str | None:
        """Return a connection as JSON, or fail."""
        if not conn_id.startswith("secret_"):
            return None
        folder = Path(os.environ["SECRETS_FOLDER"])
        failures = folder / f"{conn_id}.failures"
        if failures.exists() and (left := failures.read_bytes()):
            failures.write_bytes(left[1:])
            with (folder / f"{conn_id}.failed").open("a") as failed:
                failed.write("x")
            raise ConnectionError("The secrets backend is down.")
        return (folder / f"{conn_id}.json").read_text()
