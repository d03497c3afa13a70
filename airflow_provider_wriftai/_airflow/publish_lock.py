"""One publish of an image at a time, among the tasks of a user on one machine.

Two tasks that publish the same image at the same moment (two runs of a pipeline, a backfill) would both find no version
and create one each. A locked file keeps the second one from searching until the first one has its version. The lock
belongs to an open file, so a process that dies holds nothing. Without the file (no writable folder, another owner), or
if the other task takes too long, the task publishes without the lock.

The holder deletes the file before it releases the lock. A task that has waited for it then holds the lock of a file
that nobody else can open, notices that, and starts over with a new file.

The file contains which task holds the lock. If that is the waiting task itself, the holder is an earlier try that is
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
_NAME_LENGTH = 32


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
    path = (folder or private_folder()) / f"publish-{key[:_NAME_LENGTH]}.lock"
    try:
        lock = _LockFile(path)
    except OSError as error:
        log.info("Cannot lock the image (%s). Publishing without the lock.", error)
        yield False
        return
    try:
        yield await _acquire(lock, model, digest, _hash(holder) if holder else b"", longest_wait)
    finally:
        lock.release()


def identify_task(context: Mapping[str, Any]) -> str:
    """Return what all tries of the running task have in common, and no other task has; empty outside of a run."""
    ti = context.get("ti")
    # A user's test may pass a context with less in it.
    names = [getattr(ti, name, None) for name in ("dag_id", "run_id", "task_id", "map_index")]
    return "" if None in names[:3] else repr(names)


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


class _LockFile:
    """A file whose lock one task at a time holds.

    Args:
        path: The file. It is created if it does not exist.

    Raises:
        OSError: The file cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._is_held = False
        self._descriptor = open_private_file(path.parent, path.name)

    def acquire(self, holder: bytes) -> bool:
        """Lock the file, unless another task holds its lock, and record the holder in it.

        Raises:
            OSError: The file cannot be locked, or opened again.
        """
        while True:
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            if self._exists():
                break
            replacement = open_private_file(self._path.parent, self._path.name)
            os.close(self._descriptor)
            self._descriptor = replacement
        self._is_held = True
        # The lock is held on a full disk, too.
        with suppress(OSError):
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, holder, 0)
        return True

    def is_held_by(self, holder: bytes) -> bool:
        """Return whether the file names a holder."""
        return os.pread(self._descriptor, len(holder), 0) == holder

    def release(self) -> None:
        """Release the lock if it is held, and close the file."""
        if self._is_held and self._exists():
            with suppress(OSError):
                self._path.unlink()
        os.close(self._descriptor)

    def _exists(self) -> bool:
        return os.fstat(self._descriptor).st_nlink > 0


async def _acquire(lock: _LockFile, model: str, digest: str, holder: bytes, longest_wait: float) -> bool:
    began = time.monotonic()
    attempt = 0
    while True:
        try:
            if lock.acquire(holder):
                return True
        except OSError as error:
            log.info("Cannot lock the image (%s). Publishing without the lock.", error)
            return False
        elapsed = time.monotonic() - began
        # The first read may return what the previous holder wrote.
        if attempt and holder and lock.is_held_by(holder):
            log.warning(
                "The lock is held by an earlier try of this task, which Airflow has replaced. Publishing without the "
                "lock."
            )
            return False
        if elapsed >= longest_wait:
            log.warning("The other task did not finish within %.0f s. Publishing without the lock.", longest_wait)
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
