"""The sandbox as a process of its own, that can be killed and started again with the same port and database."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

from control import OWNER, Control


class Service:
    """A sandbox that serves a folder's database, without a rate limit.

    Args:
        folder: Where its log is, and its database unless that is given.
        token: The access token that it takes; it acts for the owner of all models.
        database: Its database file.

    Attributes:
        url: Where it is; the same after each start.
        control: Its faults and its database.
    """

    def __init__(self, folder: Path, token: str, database: Path | None = None) -> None:
        self.database = database or folder / "sandbox.db"
        self._log = folder / "sandbox.log"
        self._token = token
        self._port = 0
        self._process: subprocess.Popen[str] | None = None
        self.url = ""

    @property
    def control(self) -> Control:
        return Control(self.url, str(self.database))

    @property
    def pid(self) -> int:
        """Its process."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it; it takes connections when this returns."""
        command = [
            *(sys.executable, "-u", "-m", "airflow_provider_wriftai.sandbox", "--rate-limit", "0", "--owner", OWNER),
            *("--port", str(self._port), "--database", str(self.database)),
        ]
        environment = {**os.environ, "WRIFTAI_SANDBOX_TOKEN": self._token}
        with self._log.open("a") as log:
            self._process = subprocess.Popen(
                command, env=environment, stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True
            )
        assert self._process.stdout is not None
        first_line = self._process.stdout.readline()
        if not first_line:
            raise RuntimeError(f"The sandbox did not start: {self._log.read_text()[-2000:]}")
        self.url = first_line.split()[-1]
        self._port = int(self.url.rpartition(":")[2])

    def kill(self) -> None:
        """Kill it, as nothing that it could prepare for."""
        self._end(signal.SIGKILL)

    def _end(self, outcome: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(outcome)
            process.wait()
            if process.stdout is not None:
                process.stdout.close()

    def log(self) -> str:
        """What it has complained about."""
        return self._log.read_text(errors="replace")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._end(signal.SIGTERM)
