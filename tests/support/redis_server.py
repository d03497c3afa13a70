"""Run a Redis server for a test, if the machine has Redis."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.support.ports import free_port


def program() -> str | None:
    """Return the path of the Redis server, or None if this machine has none."""
    return shutil.which("redis-server")


@contextlib.contextmanager
def running_redis(program: str, folder: Path) -> Iterator[str]:
    """Run a server that keeps everything in memory.

    Args:
        program: The path of the Redis server.
        folder: The folder for its log.

    Yields:
        The URL of the database.
    """
    port = free_port()
    log = folder / "redis.log"
    options = ["--bind", "127.0.0.1", "--port", str(port), "--save", "", "--appendonly", "no", "--dir", str(folder)]
    with log.open("wb") as output:
        server = subprocess.Popen([program, *options], stdout=output, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        yield f"redis://127.0.0.1:{port}/0"
        assert server.poll() is None, f"Redis ended by itself:\n{log.read_text()[-5000:]}"
    finally:
        server.terminate()
        server.wait()
