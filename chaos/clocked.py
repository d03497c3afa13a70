"""Tasks in processes whose clock can be set, as an administrator sets it: by days, and while they run (libfaketime)."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from streamed import HERE, environment_of_workers
from tasks import Ended, Task

_PATIENCE = 90.0
_LOOK_EVERY = 0.005


def library() -> Path | None:
    """Find libfaketime; None where this machine has none."""
    places = ("lib/*/faketime", "lib64/faketime", "lib/faketime", "local/lib/faketime")
    found = [file for place in places for file in Path("/usr").glob(f"{place}/libfaketimeMT.so.1")]
    return found[0] if found else None


class ClockedProcesses:
    """Processes with a clock of their own; that of the machine, and the one that nobody can set, stay as they are.

    Args:
        folder: Where the offset of the clock is kept.
    """

    def __init__(self, folder: Path) -> None:
        self._offset = folder / "offset"
        self._process: subprocess.Popen[str] | None = None

    def set_clock(self, days: float) -> None:
        """Set the clock so many days from the true time."""
        partial = self._offset.with_suffix(".partial")
        partial.write_text(f"{days * 86400:+.0f}")
        partial.replace(self._offset)

    def start(self, task: Task, number: int, connection: Mapping[str, Any]) -> ClockedTry:
        """Run a try of a task."""
        assert self._process is not None
        assert self._process.stdin is not None
        asked = {"task": dataclasses.asdict(task), "number": number, "connection": dict(connection)}
        self._process.stdin.write(json.dumps(asked, default=str) + "\n")
        self._process.stdin.flush()
        return ClockedTry(task, number)

    def __enter__(self) -> Self:
        self.set_clock(0)
        environment = {
            **environment_of_workers(),
            "LD_PRELOAD": str(library()),
            "FAKETIME_TIMESTAMP_FILE": str(self._offset),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
        command = [sys.executable, str(HERE / "workers" / "clocked.py")]
        self._process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        if self._process.stdout.readline() != "ready\n":
            raise RuntimeError("The processes with a clock of their own did not start.")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        process = self._process
        if process is not None:
            process.communicate()


class ClockedTry:
    """A try that is under way; nobody kills it.

    Args:
        task: The task.
        number: Which try.
    """

    def __init__(self, task: Task, number: int) -> None:
        self._task = task
        self._number = number

    def kill_when(self, is_time: Callable[[], bool]) -> bool:
        """Wait until it has ended, asking meanwhile whether it is time for something else."""
        began = time.monotonic()
        while self.ended is None:
            is_time()
            if time.monotonic() - began > _PATIENCE:
                self._task.give_up(self._number, _PATIENCE)
            time.sleep(_LOOK_EVERY)
        return False

    @property
    def ended(self) -> Ended | None:
        """How it ended; None while it runs."""
        return self._task.ended(self._number)
