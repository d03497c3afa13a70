"""A token's bucket estimate in a small file, shared by the processes of one machine.

The file is locked only while the estimate is read and written: never during a request or a sleep. The lock belongs to
an open file, so the kernel releases it when a process dies. A process that dies between reading and writing changes
nothing; one that dies while writing leaves a checksum that is wrong, and the next process starts afresh.

The lock is never waited for: a process that was stopped while it held the lock must not block an event loop.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from weakref import finalize

from airflow_provider_wriftai.client.access_token import AccessToken
from airflow_provider_wriftai.client.bucket_estimate import SIZE, BucketEstimate
from airflow_provider_wriftai.client.private_folder import open_private_file

_MAGIC = b"WriftRL1"
_UNUSED_AFTER = 7 * 86_400.0
_HEAD = len(_MAGIC) + 4


class ClockUnavailableError(Exception):
    """The file cannot be used, and the text says why."""


class ClockBusyError(Exception):
    """Another process holds the lock."""


class ReservationClock:
    """One token's bucket estimate, shared through a file.

    Args:
        folder: The folder of the file.
        name: The file's name.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._name = name
        self._file: _OpenFile | None = None

    @contextlib.contextmanager
    def locked(self) -> Iterator[BucketEstimate]:
        """Lock the estimate, read it, and write it back as it is at the end of the block.

        Raises:
            ClockBusyError: Another process holds the lock.
            ClockUnavailableError: The file cannot be read, locked or written.
        """
        try:
            file = self._opened()
            try:
                fcntl.flock(file.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                bucket = _read(file.descriptor)
                yield bucket
                _write(file.descriptor, bucket)
            finally:
                # Also where a timeout's signal raised before it was known that the lock is held.
                fcntl.flock(file.descriptor, fcntl.LOCK_UN)
        except BlockingIOError:
            raise ClockBusyError from None
        except (OSError, ValueError) as error:
            self.close()
            raise ClockUnavailableError(f"Cannot use {self._folder / self._name}: {error}.") from error

    def _opened(self) -> _OpenFile:
        file = self._file
        # After a fork, parent and child would share the lock. A removed file is shared with nobody.
        if file is None or file.pid != os.getpid() or os.fstat(file.descriptor).st_nlink == 0:
            self.close()
            file = self._file = _OpenFile(open_private_file(self._folder, self._name))
            _remove_unused(self._folder, self._name)
        return file

    def close(self) -> None:
        """Close the file. It is opened again when it is needed."""
        if self._file is not None:
            self._file.close()
            self._file = None


class _OpenFile:
    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.pid = os.getpid()
        self.close = finalize(self, os.close, descriptor)
        self.close.atexit = False


def clock_name(origin: str, token: AccessToken) -> str:
    """Return the file name for a token's budget. It reveals nothing about the token.

    Args:
        origin: The scheme, host and port of the API.
        token: The access token, which is the key of the hash.
    """
    name = f"{_boot()}\n{origin}".encode()
    return hashlib.blake2b(name, key=hashlib.sha256(token.reveal().encode()).digest(), digest_size=16).hexdigest()


def _boot() -> str:
    # The monotonic clock counts from the start of the machine: a volume may be shared by several machines.
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""


def _remove_unused(folder: Path, used: str) -> None:
    """Remove the other files of tokens and machines that have not been used for a week."""
    for entry in os.scandir(folder):
        with contextlib.suppress(OSError):
            if entry.name != used and entry.stat(follow_symlinks=False).st_mtime < time.time() - _UNUSED_AFTER:
                os.unlink(entry.path)  # noqa: PTH108 - one entry of a scan


def _read(descriptor: int) -> BucketEstimate:
    data = os.pread(descriptor, _HEAD + SIZE + 1, 0)
    if not data:
        return BucketEstimate()
    if not data.startswith(_MAGIC):
        raise OSError("it is not a rate limit file of this package")
    body = data[_HEAD:]
    if len(body) > SIZE:
        os.ftruncate(descriptor, 0)
    if data[len(_MAGIC) : _HEAD] != _checksum(body):
        return BucketEstimate()
    try:
        bucket = BucketEstimate.unpack(body)
    except ValueError:
        return BucketEstimate()
    return bucket if bucket.is_plausible(time.monotonic()) else BucketEstimate()


def _write(descriptor: int, bucket: BucketEstimate) -> None:
    body = bucket.pack()
    if os.pwrite(descriptor, _MAGIC + _checksum(body) + body, 0) != _HEAD + len(body):
        raise OSError("it could not be written completely")


def _checksum(body: bytes) -> bytes:
    return zlib.crc32(body).to_bytes(4, "little")
