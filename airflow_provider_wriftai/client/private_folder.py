"""A folder of this user's own, for small files that the processes of one machine share."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path

_NAME = "airflow-provider-wriftai"


def private_folder(parent: Path | None = None) -> Path:
    """Return the path of this user's folder, which need not exist yet.

    Args:
        parent: The folder that it is in; None for the user's runtime folder, or the temporary folder without one.
    """
    if parent is None:
        runtime = os.environ.get("XDG_RUNTIME_DIR", "")
        parent = Path(runtime) if runtime.startswith("/") and os.access(runtime, os.W_OK) else _temporary_folder()
    return parent / f"{_NAME}-{os.geteuid()}"


def _temporary_folder() -> Path:
    try:
        return Path(tempfile.gettempdir())
    except FileNotFoundError:
        # No temporary folder is writable. Opening a file in this one fails, and callers handle that.
        return Path("/tmp")  # noqa: S108


def open_private_file(folder: Path, name: str) -> int:
    """Open a file for reading and writing, and create what does not exist.

    Returns:
        Its file descriptor.

    Raises:
        OSError: It cannot be opened, or others than this user have access to it or to its folder.
    """
    folder.mkdir(mode=0o700, exist_ok=True)
    within = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        _check(within, stat.S_ISDIR)
        # A pipe in its place must not block.
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        file = os.open(name, flags, 0o600, dir_fd=within)
    finally:
        os.close(within)
    try:
        _check(file, stat.S_ISREG)
    except OSError:
        os.close(file)
        raise
    return file


def _check(descriptor: int, has_type: Callable[[int], bool]) -> None:
    found = os.fstat(descriptor)
    if not has_type(found.st_mode):
        raise OSError("it is of another type")
    if found.st_uid != os.geteuid():
        raise OSError("it belongs to another user")
    if found.st_mode & 0o077:
        raise OSError("others have access to it")
