"""The image in an OCI image layout: a folder with ``index.json`` and ``blobs`` (OCI image-spec, image-layout.md)."""

from __future__ import annotations

import hashlib
from pathlib import Path

from airflow_provider_wriftai.domain.images.build_metadata import images_in_index
from airflow_provider_wriftai.domain.images.image import Image, select_image
from airflow_provider_wriftai.domain.images.json_text import parse_object
from airflow_provider_wriftai.domain.publishing.errors import InvalidImageError

INDEX = "index.json"

_LARGEST_INDEX = 8 * 1024 * 1024
_LARGEST_MANIFEST = 4 * 1024 * 1024


def read_layout(folder: Path, selector: str | None) -> Image:
    """Find the image in a layout, and check that its manifest is there and whole.

    Args:
        folder: The layout.
        selector: The image's name in it (an annotation) or its platform; None where there is only one.

    Returns:
        The image. The digest of ``index.json`` itself is not the image's.

    Raises:
        InvalidImageError: It is no layout, holds none or several, or is damaged.
        OSError: It cannot be read.
    """
    what = f"The OCI layout {str(folder)!r}"
    index = folder / INDEX
    if not index.is_file():
        raise InvalidImageError(f"The folder {str(folder)!r} is not an OCI image layout: it has no {INDEX}.")
    if index.stat().st_size > _LARGEST_INDEX:
        raise InvalidImageError(f"{str(index)!r} is larger than 8 MiB, which no index is.")
    image = select_image(images_in_index(parse_object(index.read_bytes(), repr(str(index))), what), selector, what)
    _check_manifest(folder, image.digest, what)
    return image


def _check_manifest(folder: Path, digest: str, what: str) -> None:
    blob = folder / "blobs" / digest.replace(":", "/")
    if not blob.is_file():
        raise InvalidImageError(f"{what} lacks the manifest {digest} that its index names.")
    if blob.stat().st_size > _LARGEST_MANIFEST:
        raise InvalidImageError(f"{what} has a manifest {digest} of more than 4 MiB, which no manifest is.")
    found = "sha256:" + hashlib.sha256(blob.read_bytes()).hexdigest()
    if found != digest:
        raise InvalidImageError(f"{what} is damaged: its manifest {digest} has the digest {found}.")
