"""Workers that carry schedules out one after the other, each beside a sandbox of its own."""

from __future__ import annotations

import json
import os
import queue
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from service import Service

HERE = Path(__file__).resolve().parent
WORKERS = 2


def environment_of_workers() -> dict[str, str]:
    """The environment of a process that finds the modules beside this one."""
    inherited = os.environ.get("PYTHONPATH")
    path = os.pathsep.join([str(HERE), *([inherited] if inherited else [])])
    return {**os.environ, "PYTHONPATH": path, "PYTHONWARNINGS": "ignore"}


def streamed(worker: str, seeds: range, python: str = sys.executable) -> Iterator[dict[str, Any]]:
    """Let two workers carry schedules out.

    Args:
        worker: The worker's file.
        seeds: Of the schedules.
        python: The interpreter that runs it.

    Yields:
        What the worker says of each, in no certain order.

    Raises:
        RuntimeError: A worker ended before it was done.
    """
    said: queue.Queue[dict[str, Any] | None] = queue.Queue()
    count = 0
    with ThreadPoolExecutor(WORKERS) as pool:
        shares = [pool.submit(_work, worker, python, seeds[first::WORKERS], said.put) for first in range(WORKERS)]
        for share in shares:
            share.add_done_callback(lambda _: said.put(None))
        ended = 0
        while ended < WORKERS:
            outcome = said.get()
            if outcome is None:
                ended += 1
            else:
                count += 1
                yield outcome
        for share in shares:
            share.result()
    if count != len(seeds):
        raise RuntimeError(f"{worker} ended after {count} of {len(seeds)} schedules")


def _work(worker: str, python: str, seeds: range, tell: Callable[[dict[str, Any]], None]) -> None:
    token = secrets.token_urlsafe(24)
    environment = environment_of_workers()
    with tempfile.TemporaryDirectory() as folder, Service(Path(folder), token) as service:
        command = [
            *(python, str(HERE / "workers" / worker), service.url, str(service.database), token),
            *map(str, (seeds.start, seeds.step, len(seeds))),
        ]
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout is not None
                for line in process.stdout:
                    tell(json.loads(line))
            finally:
                process.terminate()
