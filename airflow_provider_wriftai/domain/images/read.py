"""Read the image from the output of a build."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from airflow_provider_wriftai.client.text import format_count, path_repr, truncated_repr
from airflow_provider_wriftai.domain.empty_values import explain_empty, is_empty
from airflow_provider_wriftai.domain.images.archive import is_archive, read_archive
from airflow_provider_wriftai.domain.images.errors import InvalidImageError
from airflow_provider_wriftai.domain.images.image import Image
from airflow_provider_wriftai.domain.images.oci_layout import INDEX, read_folder
from airflow_provider_wriftai.domain.images.select import select_image
from airflow_provider_wriftai.domain.images.text import read_text, read_value
from airflow_provider_wriftai.domain.object_text import BYTE_ORDER_MARK

BuildResult = str | os.PathLike[str] | Mapping[str, Any] | Sequence[Any]
"""The output of a build: see :func:`read_image`."""

_LARGEST_FILE = 8 * 1024 * 1024
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_MALFORMED_DIGEST = re.compile(r"(?:[^\s@]+@)?sha256:(\w*)", re.IGNORECASE)
_DIGITS = 64
_LONGEST_REFERENCE = 100
_ID_FILE = re.compile(r"(?<![a-z])(iid|(image|img)[-_.]?id)([-_.]?file)?(?![a-z])", re.IGNORECASE)


def read_image(build: BuildResult, selector: str | None = None) -> Image:
    """Find the image, and the digest of its manifest.

    Args:
        build: One of

            - a digest, ``sha256:`` and 64 lower-case hexadecimal digits (OCI image-spec, descriptor.md);
            - an image reference that ends in ``@`` and a digest;
            - text with such lines (the ``--digestfile`` of buildah, podman, and skopeo; kaniko's files), or what
              ``docker push`` printed;
            - the metadata of a build or a registry as a mapping, a list, or text (JSON, TOML): the shapes of
              ``metadata.READERS``;
            - the path of a file with any of these;
            - the path of an OCI image layout, a folder with ``index.json``, or of an OCI archive, the same in a tar.
        selector: Which image, where the build made several: the target of a bake, the name of an image
            (with or without its tag), a platform (``linux/arm64``), or a digest.

    Returns:
        The image.

    Raises:
        InvalidImageError: There is none, or more than one.
    """
    if isinstance(build, str):
        text = build.removeprefix(BYTE_ORDER_MARK).strip()
        if is_empty(text):
            raise InvalidImageError(
                f"The image is empty; expected a digest or the output of a build tool.{explain_empty(text)}"
            )
        if entries := read_text(text, "The image"):
            return select_image(entries, selector, "The image")
        return _read_path(Path(text), text, selector)
    if isinstance(build, os.PathLike):
        path = os.fspath(build)
        if isinstance(path, str):
            return _read_path(Path(path), path, selector)
    elif isinstance(build, Mapping) or (isinstance(build, Sequence) and not isinstance(build, bytes | bytearray)):
        subject = "The build's metadata"
        return select_image(read_value(build, subject), selector, subject)
    got = "None" if build is None else type(build).__name__
    raise InvalidImageError(f"The image must be a string, a path, or metadata; got {got}.{explain_empty(build)}")


def read_image_digest(build: BuildResult, selector: str | None = None) -> str:
    """Find the digest of the image's manifest: see :func:`read_image`."""
    return read_image(build, selector).digest


def _read_path(path: Path, shown: str, selector: str | None) -> Image:
    try:
        if path.is_dir():
            return read_folder(path, selector)
        if path.name == INDEX and (path.parent / "oci-layout").is_file():
            return read_folder(path.parent, selector)
        if path.is_file():
            return _read_file(path, selector)
    except InvalidImageError:
        raise
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise InvalidImageError(f"{path_repr(path)} cannot be read: {reason}.") from error
    if malformed := _MALFORMED_DIGEST.fullmatch(shown):
        subject = truncated_repr(shown, _LONGEST_REFERENCE)
        raise InvalidImageError(
            f"{subject} is not a digest: {_describe_malformed(malformed[1])}. A digest is sha256: and 64 lower-case "
            "hexadecimal digits."
        )
    raise InvalidImageError(
        f"{path_repr(shown)} is neither a digest (sha256: and 64 lower-case hexadecimal digits), nor an image "
        "reference with one (name@sha256:…), nor an existing file or folder of a build on this worker."
    )


def _describe_malformed(digits: str) -> str:
    if not re.fullmatch("[0-9a-fA-F]*", digits):
        return "not all of its digits are hexadecimal"
    if len(digits) != _DIGITS:
        return f"it has {format_count(len(digits), 'hexadecimal digit')}"
    return "it is not in lower case"


def _read_file(path: Path, selector: str | None) -> Image:
    subject = path_repr(path)
    if _ID_FILE.search(path.name):
        raise InvalidImageError(
            f"{subject} is an image id file, judging by its name. Such a file holds the digest of the image's config, "
            "not that of the image. Use --metadata-file or --digestfile."
        )
    with path.open("rb") as file:
        content = file.read(_LARGEST_FILE + 1)
    if is_archive(content):
        return read_archive(path, content[:512], selector)
    if len(content) > _LARGEST_FILE:
        raise InvalidImageError(f"{subject} is larger than 8 MiB, so it is not the output of a build tool.")
    text = _decode(content, subject)
    if not text.strip():
        raise InvalidImageError(
            f"{subject} is empty: the build has not written a digest to it, although it may have succeeded."
        )
    entries = read_text(text, subject)
    if entries is None:
        raise InvalidImageError(f"{subject} contains neither digests, one per line, nor the metadata of a build.")
    return select_image(entries, selector, subject)


def _decode(content: bytes, subject: str) -> str:
    if content.startswith(_UTF_16):
        raise InvalidImageError(
            f"{subject} is in UTF-16, as > in Windows PowerShell writes it. Write UTF-8: | Out-File -Encoding utf8."
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidImageError(f"{subject} is a binary file or not in UTF-8.") from error
