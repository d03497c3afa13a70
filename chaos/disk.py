"""A disk that is full: a small file system that really is, or a limit on one process that needs no rights."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path

_SIZE = 1024 * 1024


class Disk(ABC):
    """Where a database is kept.

    Attributes:
        folder: For the database.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @abstractmethod
    def fill(self, pid: int, slack: int) -> None:
        """Let a process write so many bytes more and no others."""

    @abstractmethod
    def make_room(self, pid: int) -> None:
        """Let it write again."""


class SmallFileSystem(Disk):
    """A file system in memory, which somebody else fills: the database is told that no space is left (ENOSPC)."""

    def fill(self, pid: int, slack: int) -> None:
        with (self.folder / "filler").open("wb", buffering=0) as filler, contextlib.suppress(OSError):
            while True:
                filler.write(bytes(4096))
        filled = (self.folder / "filler").stat().st_size
        os.truncate(self.folder / "filler", max(0, filled - slack // 4096 * 4096))

    def make_room(self, pid: int) -> None:
        (self.folder / "filler").unlink(missing_ok=True)


class LimitedFiles(Disk):
    """A limit on how large the files of the process may grow (RLIMIT_FSIZE): the database is told so (EFBIG)."""

    def fill(self, pid: int, slack: int) -> None:
        largest = max((file.stat().st_size for file in self.folder.iterdir()), default=0)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (largest + slack, resource.RLIM_INFINITY))

    def make_room(self, pid: int) -> None:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


@contextlib.contextmanager
def small_file_system(folder: Path) -> Iterator[Disk]:
    """Mount one at a folder, and unmount it afterwards."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={_SIZE}", "tmpfs", folder], check=True, capture_output=True)  # noqa: S607
    try:
        yield SmallFileSystem(folder)
    finally:
        subprocess.run(["umount", folder], check=True, capture_output=True)  # noqa: S607


def may_mount(folder: Path) -> bool:
    """Tell whether this user may mount file systems on this machine."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        return False
    tried = folder / "mounted"
    tried.mkdir()
    try:
        with small_file_system(tried):
            return True
    except (OSError, subprocess.CalledProcessError):
        return False
