"""Shared by all benchmarks: a sandbox in its own process, and repeated, interleaved runs."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure

ROOT = Path(__file__).resolve().parent.parent
LATEST = ROOT / "benchmarks" / "results" / "latest.json"
TOKEN = secrets.token_urlsafe(24)
OWNER, NAME = "acme", "detector"

Run = Mapping[str, Any]


@contextlib.contextmanager
def sandbox(*options: str, versions: int = 1) -> Iterator[tuple[str, Path]]:
    """Run a sandbox in a process of its own.

    Args:
        options: Of its command.
        versions: How many versions its model has.

    Yields:
        Its URL, and its database.
    """
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder) / "sandbox.db"
        command = [
            *(sys.executable, "-u", "-m", "airflow_provider_wriftai.sandbox", "--port", "0", *options),
            *("--database", str(database), "--model", f"{OWNER}/{NAME}={versions}"),
        ]
        environment = {**os.environ, "WRIFTAI_SANDBOX_TOKEN": TOKEN}
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout is not None
                yield process.stdout.readline().split()[-1], database
            finally:
                process.terminate()


def run_workload(workload: str, *arguments: object, python: Path | str = sys.executable) -> Run:
    """Run one of the workloads in a fresh process, and read the numbers that it prints as JSON."""
    command = [str(python), "-m", f"benchmarks.workloads.{workload}", *map(str, arguments)]
    # Code is compiled once, as in an installation, wherever these runs are made.
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    numbers: Run = json.loads(done.stdout.splitlines()[-1])
    return numbers


def work(workload: str, *arguments: object, python: object = sys.executable) -> Callable[[], Run]:
    """A workload that can be run again and again."""
    return lambda: run_workload(workload, *arguments, python=str(python))


def in_turn(times: int, *workloads: Callable[[], Run]) -> list[list[Run]]:
    """Run workloads in turn, so that a machine that gets slower or faster does so for all.

    Returns:
        The runs of each.
    """
    rounds = [[workload() for workload in workloads] for _ in range(times)]
    return [list(runs) for runs in zip(*rounds, strict=True)]


def python_of(environment: str) -> Path:
    """Find the Python of an environment that a peer is installed in.

    Args:
        environment: Its name, such as ``wriftai-0.34.0``.
    """
    python = ROOT / f".venv-{environment}" / "bin" / "python"
    if not python.exists():
        raise SystemExit(f"There is no {python.parent.parent.name}; 'make bench' makes it.")
    return python


def under_limit(work: str, ideal: float, ours: tuple[Run, int], peer: str, theirs: tuple[Run, int]) -> Figure:
    """Make the figure of work under a rate limit, which is to be kept and to be used.

    Args:
        work: What was done.
        ideal: The seconds that it takes at the least, under that limit.
        ours: Our run, and how many 429s it earned.
        peer: The peer's name.
        theirs: Its run, with ``failed``, how much of the work it left undone; and its 429s.
    """
    (mine, refused), (run, peers_refused) = ours, theirs
    return Figure(
        work,
        "s",
        [mine["seconds"]],
        peer,
        [run["seconds"]],
        "what the limit allows",
        [ideal],
        goal="within 1.03 of the limit, at most one 429",
        met=mine["seconds"] / ideal <= 1.03 and refused <= 1,
        note=f"429s {refused}; {peer}: 429s {peers_refused}, left undone {run['failed']:.0f}",
    )


def refusals(url: str) -> int:
    """Count the 429s that a sandbox has given lately, on its page of requests."""
    with urllib.request.urlopen(f"{url}/requests") as page:  # noqa: S310 - always http
        text: str = page.read().decode()
    return text.count('<td class="number">429</td>')
