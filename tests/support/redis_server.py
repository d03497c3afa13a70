"""A Redis of a test's own, where the machine has one."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.support.ports import free_port


def program() -> str | None:
    """Find Redis's server; None where this machine has none."""
    return shutil.which("redis-server")


@contextlib.contextmanager
def running_redis(program: str, folder: Path) -> Iterator[str]:
    """Run a server that keeps everything in memory.

    Args:
        program: Its program.
        folder: Where its log is written.

    Yields:
        The URL of its database.
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
