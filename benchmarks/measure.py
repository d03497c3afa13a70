"""What all benchmarks share: a sandbox in its own process, and repeated, interleaved runs."""

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
    """Run a sandbox in its own process.

    Args:
        options: Command-line options of the sandbox.
        versions: How many versions its model has.

    Yields:
        The URL of the sandbox, and the path of its database.
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
    """Run a workload in a new process; return the numbers that it prints as JSON."""
    command = [str(python), "-m", f"benchmarks.workloads.{workload}", *map(str, arguments)]
    # Let Python write bytecode, as in an installation: otherwise each process would compile all modules again.
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    numbers: Run = json.loads(done.stdout.splitlines()[-1])
    return numbers


def bind_workload(workload: str, *arguments: object, python: Path | str = sys.executable) -> Callable[[], Run]:
    """Return a function that runs a workload with the given arguments."""
    return lambda: run_workload(workload, *arguments, python=python)


def run_interleaved(times: int, *workloads: Callable[[], Run]) -> list[list[Run]]:
    """Run workloads in turn, so that a change in the machine's speed affects all of them.

    Returns:
        The runs of each workload.
    """
    rounds = [[workload() for workload in workloads] for _ in range(times)]
    return [list(runs) for runs in zip(*rounds, strict=True)]


def find_python(environment: str) -> Path:
    """Return the Python interpreter of a peer's virtual environment.

    Args:
        environment: The name of the environment, such as ``wriftai-0.34.0``.
    """
    python = ROOT / f".venv-{environment}" / "bin" / "python"
    if not python.exists():
        raise SystemExit(f"{python.parent.parent.name} does not exist. Run 'make bench' to create it.")
    return python


def compare_under_limit(work: str, ideal: float, ours: tuple[Run, int], peer: str, theirs: tuple[Run, int]) -> Figure:
    """Compare work under a rate limit, which should be used fully and never exceeded.

    Args:
        work: The measured work.
        ideal: The shortest time that the limit allows, in seconds.
        ours: Our run, and how many of its requests were refused with 429.
        peer: The peer's name.
        theirs: The same for the peer; its run has ``failed``, the number of operations that it did not complete.
    """
    (mine, refused), (run, peers_refused) = ours, theirs
    return Figure(
        work,
        "s",
        [mine["seconds"]],
        peer,
        [run["seconds"]],
        "what the rate limit allows",
        [ideal],
        goal="at most 1.03 × the floor, at most one 429",
        met=mine["seconds"] / ideal <= 1.03 and refused <= 1,
        note=f"{refused} requests refused with 429; {peer}: {peers_refused} refused, "
        f"{run['failed']:.0f} operations failed",
    )


def count_refusals(url: str) -> int:
    """Return how many of the latest requests a sandbox refused with 429, according to its page of requests."""
    with urllib.request.urlopen(f"{url}/requests") as page:  # noqa: S310 - always http
        text: str = page.read().decode()
    return text.count('<td class="number">429</td>')
