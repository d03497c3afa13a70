"""Real Airflow processes, as the README's commands start them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import psutil
import pytest

Start = Callable[..., AbstractContextManager["subprocess.Popen[str]"]]


def _left_over(folder: Path) -> list[str]:
    """The processes that still work with a folder."""
    found = []
    for process in psutil.process_iter():
        try:
            known_to_it = " ".join([*process.cmdline(), *process.environ().values()])
            if process.pid != os.getpid() and str(folder) in known_to_it:
                found.append(" ".join(process.cmdline()))
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
    return found


@pytest.fixture
def start(repository: Path, tmp_path: Path) -> Start:
    """Start a script with a folder of its own; it is interrupted at the end, and must leave nothing behind."""

    @contextmanager
    def started(script: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        environment = {key: value for key, value in os.environ.items() if not key.startswith("AIRFLOW_")}
        command = [sys.executable, "-u", "-m", f"scripts.{script}", "--folder", str(tmp_path), *arguments]
        with subprocess.Popen(
            command, cwd=repository, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process:
            try:
                yield process
            finally:
                if process.poll() is None:
                    process.send_signal(signal.SIGINT)
                if process.stdout is not None and not process.stdout.closed:
                    process.communicate()
        assert _left_over(tmp_path) == []

    return started
