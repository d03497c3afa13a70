"""One publish of an image at a time, among the tasks of a user on one machine.

Two tasks that publish the same image at the same moment (two runs of a pipeline, a backfill) would both find no version
and create one each. A locked file keeps the second one from searching until the first one has its version. The lock
belongs to an open file, so a process that dies holds nothing. Without the file (no folder that can be written to,
another owner), or when the other task takes too long, the task publishes without the lock.

The file says which task holds the lock. If that is the waiting task itself, the holder is an earlier try that is
suspended, and that Airflow has replaced. Waiting for it is pointless; the journal keeps it from creating anything.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import logging
import os
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from airflow_provider_wriftai.client.backoff import Backoff
from airflow_provider_wriftai.client.private_folder import open_private_file, private_folder

log = logging.getLogger(__name__)

LONGEST_WAIT = 300.0
"""Seconds that a task waits for another one that publishes the same image."""

_POLL = Backoff(initial=0.1, maximum=2.0)
_NAME_LENGTH = 3


@asynccontextmanager
async def publish_lock(
    base_url: str,
    model: str,
    digest: str,
    *,
    holder: str = "",
    folder: Path | None = None,
    longest_wait: float = LONGEST_WAIT,
) -> AsyncIterator[bool]:
    """Hold the lock of an image of a model, if possible.

    Args:
        base_url: The base URL of the service.
        model: ``owner/name``.
        digest: The digest of the image.
        holder: The task: see ``identify_task``. Empty if it has no identity.
        folder: The folder of the lock files; None for the user's own.
        longest_wait: Seconds after which the task goes on without the lock.

    Yields:
        Whether the lock is held.
    """
    key = _hash(f"{base_url}\n{model.lower()}\n{digest}").hex()
    # A few thousand files at most, which are never deleted: deleting one that is being locked would let two tasks in.
    name = f"publish-{key[:_NAME_LENGTH]}.lock"
    try:
        descriptor = open_private_file(folder or private_folder(), name)
    except OSError as error:
        log.info("Cannot lock the image (%s). Publishing without the lock.", error)
        yield False
        return
    try:
        yield await _acquire(descriptor, model, digest, _hash(holder) if holder else b"", longest_wait)
    finally:
        os.close(descriptor)


def identify_task(context: Mapping[str, Any]) -> str:
    """Return what all tries of the running task have in common, and no other task has; empty outside of a run."""
    ti = context.get("ti")
    # A user's test may pass a context with less in it.
    names = [getattr(ti, name, None) for name in ("dag_id", "run_id", "task_id", "map_index")]
    return "" if None in names[:3] else repr(names)


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


async def _acquire(descriptor: int, model: str, digest: str, holder: bytes, longest_wait: float) -> bool:
    began = time.monotonic()
    attempt = 0
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            elapsed = time.monotonic() - began
        except OSError as error:
            log.info("Cannot lock the image (%s). Publishing without the lock.", error)
            return False
        else:
            # The lock is held on a full disk too.
            with suppress(OSError):
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, holder, 0)
            return True
        # The first look may be at what the one before the holder wrote.
        if attempt and holder and os.pread(descriptor, len(holder), 0) == holder:
            log.warning("It is an earlier try of this task, which Airflow has replaced. Publishing without the lock.")
            return False
        if elapsed >= longest_wait:
            log.warning("The other task has not finished within %.0f s. Publishing without the lock.", longest_wait)
            return False
        attempt += 1
        if attempt == 1:
            log.info(
                "Another task on this machine is publishing %s to %s. Waiting for it for up to %.0f s.",
                digest,
                model,
                longest_wait,
            )
        await asyncio.sleep(min(_POLL.delay(attempt), longest_wait - elapsed))
