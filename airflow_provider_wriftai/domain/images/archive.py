"""The image in an OCI archive: an OCI image layout in a tar, or in one that is compressed with gzip as a whole.

An archive can be of any size, and nobody vouches for it. So only headers and small files are read: a plain tar is
skipped through by seeking; a compressed one is decompressed as a stream, up to a limit, and never held in memory.
"""

from __future__ import annotations

import gzip
import re
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from airflow_provider_wriftai.client.text import path_repr
from airflow_provider_wriftai.domain.images.errors import InvalidImageError
from airflow_provider_wriftai.domain.images.image import Image
from airflow_provider_wriftai.domain.images.oci_layout import INDEX, read_layout, too_large

_GZIP = b"\x1f\x8b"
_OTHER_FORMATS = {b"BZh": "bzip2", b"\xfd7zXZ\x00": "xz", b"\x28\xb5\x2f\xfd": "zstd", b"PK\x03\x04": "zip"}
_TAR, _TAR_OFFSET = b"ustar", 257
_MEBIBYTE = 1024 * 1024
_LARGEST_READ = 8 * _MEBIBYTE
_LARGEST_DECOMPRESSED = 4 * 1024 * _MEBIBYTE
_MOST_MEMBERS = 100_000
_DOCKER_MANIFEST = "manifest.json"
_WANTED = re.compile(r"index\.json|manifest\.json|blobs/sha256/[a-f0-9]{64}")
_USE_INSTEAD = "Pass the digest that the push reports (--digestfile, --metadata-file)"


def is_archive(head: bytes) -> bool:
    """Return whether a file that begins like this is a tar, or compressed."""
    is_tar = head[_TAR_OFFSET : _TAR_OFFSET + len(_TAR)] == _TAR
    return is_tar or head.startswith((_GZIP, *_OTHER_FORMATS))


def read_archive(path: Path, head: bytes, selector: str | None) -> Image:
    """Find the image in an OCI archive.

    Args:
        path: The archive.
        head: Its first bytes.
        selector: Which image: see ``oci_layout.read_layout``.

    Returns:
        The image.

    Raises:
        InvalidImageError: It is another kind of archive, is damaged, or contains no image or several.
        OSError: It cannot be read.
    """
    shown = path_repr(path)
    for magic, name in _OTHER_FORMATS.items():
        if head.startswith(magic):
            raise InvalidImageError(
                f"{shown} is compressed with {name}. If it is an OCI archive, decompress it. {_USE_INSTEAD} otherwise."
            )
    subject = f"The archive {shown}"
    with path.open("rb") as file:
        if not head.startswith(_GZIP):
            return _read(_BoundedFile(file, None, subject), selector, subject)
        with gzip.GzipFile(fileobj=file) as decompressed:
            return _read(
                _BoundedFile(cast("IO[bytes]", decompressed), _LARGEST_DECOMPRESSED, subject), selector, subject
            )


def _read(file: _BoundedFile, selector: str | None, subject: str) -> Image:
    archive = _Archive(file, subject)
    if INDEX in archive.members:
        return read_layout(archive, selector, subject)
    if _DOCKER_MANIFEST in archive.members:
        raise InvalidImageError(
            f"{subject} is a Docker archive (docker save), which lacks the digest that a registry gives the image. "
            f"{_USE_INSTEAD}."
        )
    raise InvalidImageError(f"{subject} is not an OCI archive: it has no {INDEX}. {_USE_INSTEAD}.")


class _BoundedFile:
    """A file that refuses large reads, and to be read beyond a limit: a header can claim any size."""

    def __init__(self, file: IO[bytes], limit: int | None, subject: str) -> None:
        self._file = file
        self._limit = limit
        self._subject = subject

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _LARGEST_READ:
            raise InvalidImageError(f"{self._subject} is damaged: a header in it claims {size} bytes.")
        self._check(self._file.tell() + size)
        return self._file.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        self._check(offset)
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def _check(self, offset: int) -> None:
        if self._limit is not None and offset > self._limit:
            raise InvalidImageError(
                f"{self._subject} has more than {self._limit // _MEBIBYTE} MiB when decompressed. Decompress it first."
            )


class _Archive:
    """The files of a layout in a tar."""

    def __init__(self, file: _BoundedFile, subject: str) -> None:
        self._file = file
        self._subject = subject
        self.members: dict[str, tuple[int, int]] = {}
        with self._report_damage():
            self._scan()

    def _scan(self) -> None:
        with tarfile.open(fileobj=cast("IO[bytes]", self._file), mode="r:") as archive:
            position = -1
            for _ in range(_MOST_MEMBERS):
                member = archive.next()
                if member is None:
                    return
                if archive.offset <= position:
                    raise tarfile.ReadError("a member of negative size")
                position = archive.offset
                archive.members = []  # type: ignore[attr-defined] # Or it holds every member in memory.
                name = member.name.removeprefix("./")
                if member.isreg() and _WANTED.fullmatch(name):
                    self.members[name] = (member.offset_data, member.size)
        raise InvalidImageError(
            f"{self._subject} has more than {_MOST_MEMBERS:,} files, so it is not the archive of an image."
        )

    def read(self, name: str, limit: int) -> bytes | None:
        if name not in self.members:
            return None
        offset, size = self.members[name]
        if size > limit:
            raise too_large(self._subject, name, limit)
        with self._report_damage():
            self._file.seek(offset)
            return self._file.read(size)

    @contextmanager
    def _report_damage(self) -> Iterator[None]:
        try:
            yield
        except (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError, OverflowError, RecursionError) as error:
            raise InvalidImageError(f"{self._subject} is damaged, or not a tar archive.") from error
