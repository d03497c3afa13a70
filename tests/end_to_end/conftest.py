"""Start real Airflow processes with the commands of the README."""

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
    """Return the command lines of processes whose arguments or environment name a folder."""
    found = []
    for process in psutil.process_iter():
        try:
            text = " ".join([*process.cmdline(), *process.environ().values()])
            if process.pid != os.getpid() and str(folder) in text:
                found.append(" ".join(process.cmdline()))
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
    return found


@pytest.fixture
def start(repository: Path, tmp_path: Path) -> Start:
    """Run a script with its own folder, interrupt it at the end, and check that no process is left over."""

    @contextmanager
    def run(script: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
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

    return run
