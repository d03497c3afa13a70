"""The image in an OCI image layout: ``index.json`` and ``blobs`` (OCI image-spec, image-layout.md).

The digest of ``index.json`` itself is not the image's. The image's manifest is in the layout; its bytes must have the
digest that the index states.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from airflow_provider_wriftai.client.references import is_digest
from airflow_provider_wriftai.client.text import path_repr
from airflow_provider_wriftai.domain.images.descriptor import INDEX_TYPES
from airflow_provider_wriftai.domain.images.errors import InvalidImageError
from airflow_provider_wriftai.domain.images.image import Entry, Image, Part
from airflow_provider_wriftai.domain.images.oci_index import read_manifests
from airflow_provider_wriftai.domain.images.select import select_image

INDEX = "index.json"

_MEBIBYTE = 1024 * 1024
_LARGEST_INDEX = 8 * _MEBIBYTE
_LARGEST_MANIFEST = 4 * _MEBIBYTE
_MOST_INDEXES = 32
_UNCOMPRESSED = ".tar"


class Blobs(Protocol):
    """The files of a layout."""

    def read(self, name: str, limit: int) -> bytes | None:
        """Read a file; None if there is none.

        Raises:
            InvalidImageError: It is larger than the limit.
        """


class Folder:
    """The files of a layout in a folder."""

    def __init__(self, path: Path, subject: str) -> None:
        self._path = path
        self._subject = subject

    def read(self, name: str, limit: int) -> bytes | None:
        """Read a file; None if there is none."""
        path = self._path / name
        if not path.is_file():
            return None
        with path.open("rb") as file:
            content = file.read(limit + 1)
        if len(content) > limit:
            raise too_large(self._subject, name, limit)
        return content


def too_large(subject: str, name: str, limit: int) -> InvalidImageError:
    """Return the error for a file that is larger than such a file can be."""
    return InvalidImageError(f"{subject} has a file {path_repr(name)} of more than {limit // _MEBIBYTE} MiB.")


def read_folder(path: Path, selector: str | None) -> Image:
    """Find the image in a layout that is a folder: see :func:`read_layout`."""
    subject = f"The OCI layout {path_repr(path)}"
    if not (path / INDEX).is_file():
        raise InvalidImageError(f"The folder {path_repr(path)} is not an OCI image layout: it has no {INDEX}.")
    return read_layout(Folder(path, subject), selector, subject)


def read_layout(blobs: Blobs, selector: str | None, subject: str) -> Image:
    """Find the image in a layout, and check that its manifest is there and whole.

    Args:
        blobs: The layout's files.
        selector: The image's name (an annotation), platform or digest; None where there is only one.
        subject: How messages name the source, at the start of a sentence.

    Returns:
        The image, with a warning where a push will change its digest.

    Raises:
        InvalidImageError: It is not a layout, contains no image or several, or is damaged.
        OSError: It cannot be read.
    """
    content = blobs.read(INDEX, _LARGEST_INDEX)
    index = _parse(content)
    if index is None:
        raise InvalidImageError(f"{subject} is damaged: its {INDEX} is not a JSON object.")
    entries = read_manifests(index, subject)
    if selector is not None:
        entries += _parts(blobs, index, subject)
    image = select_image(entries, selector, subject)
    manifest = _manifest(blobs, image.digest, subject)
    if not _has_uncompressed_layers(blobs, manifest):
        return image
    warning = (
        f"{subject} has uncompressed layers. Most tools compress them when they push, which changes the digest. Pass "
        "the digest that the push reports (--digestfile) if the registry does not have this one."
    )
    return replace(image, warnings=(*image.warnings, warning))


def _parse(content: bytes | None) -> dict[str, Any] | None:
    try:
        value = json.loads(content or b"")
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _parts(blobs: Blobs, index: Mapping[str, Any], subject: str) -> list[Entry]:
    """List the images inside the indexes of an index."""
    found: list[Entry] = []
    pending = list(_indexes_in(index))
    for _ in range(_MOST_INDEXES):
        if not pending:
            break
        try:
            child = _parse(blobs.read(_blob(pending.pop(0)), _LARGEST_MANIFEST)) or {}
            found += [Part(each) if isinstance(each, Image) else each for each in read_manifests(child, subject)]
        except InvalidImageError:
            continue  # It matters only if it contains the selected image, which is then reported as not found.
        pending += _indexes_in(child)
    return found


def _indexes_in(index: Mapping[str, Any]) -> Iterator[str]:
    manifests = index.get("manifests")
    for entry in manifests if isinstance(manifests, list) else ():
        if isinstance(entry, Mapping) and entry.get("mediaType") in INDEX_TYPES and is_digest(entry.get("digest")):
            yield str(entry["digest"])


def _blob(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"


def _manifest(blobs: Blobs, digest: str, subject: str) -> dict[str, Any]:
    content = blobs.read(_blob(digest), _LARGEST_MANIFEST)
    if content is None:
        raise InvalidImageError(f"{subject} lacks the manifest {digest} that its index names.")
    found = "sha256:" + hashlib.sha256(content).hexdigest()
    if found != digest:
        raise InvalidImageError(f"{subject} is damaged: its manifest {digest} has the digest {found}.")
    return _parse(content) or {}


def _has_uncompressed_layers(blobs: Blobs, manifest: Mapping[str, Any]) -> bool:
    children = manifest.get("manifests")
    manifests = [manifest]
    for child in children[:_MOST_INDEXES] if isinstance(children, list) else ():
        if isinstance(child, Mapping) and is_digest(child.get("digest")):
            try:
                manifests.append(_parse(blobs.read(_blob(str(child["digest"])), _LARGEST_MANIFEST)) or {})
            except InvalidImageError:
                continue
    return any(_layer_type(layer).endswith(_UNCOMPRESSED) for each in manifests for layer in _layers(each))


def _layers(manifest: Mapping[str, Any]) -> list[Any]:
    layers = manifest.get("layers")
    return layers if isinstance(layers, list) else []


def _layer_type(layer: object) -> str:
    media_type = layer.get("mediaType") if isinstance(layer, Mapping) else None
    return media_type if isinstance(media_type, str) else ""
