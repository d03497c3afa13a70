"""The digest of an image in what a build left behind."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from airflow_provider_wriftai.publishing.errors import InvalidImageError

BuildResult = str | os.PathLike[str] | Mapping[str, Any]
"""What a build may hand over: see :func:`read_image_digest`."""

_DIGEST = re.compile(r"sha256:[a-f0-9]{64}")
_LARGEST_FILE = 1024 * 1024
_LARGEST_MANIFEST = 4 * 1024 * 1024
_ATTESTATION = ("vnd.docker.reference.type", "attestation-manifest")

# Where build tools write the digest of the manifest. The digest of the image's config, which some of
# them write beside it, names something else and is never read.
_DIGEST_KEYS = ("containerimage.digest", "imageDigest")


def read_image_digest(build: BuildResult) -> str:
    """Find the digest of the image's manifest.

    Args:
        build: One of

            - a digest, ``sha256:`` and 64 lower-case hexadecimal digits (OCI image-spec, descriptor.md);
            - an image reference that ends in ``@`` and a digest;
            - the path of a file that holds one of these, as ``podman push --digestfile`` writes it;
            - the metadata of a build as a mapping, as JSON text, or as the path of a JSON file:
              ``docker buildx build --metadata-file``, or Jib's ``jib-image.json``;
            - the path of an OCI image layout: a folder with ``index.json``.

    Returns:
        The digest.

    Raises:
        InvalidImageError: There is none, or more than one.
    """
    if isinstance(build, Mapping):
        return _of_mapping(build, "The build's metadata")
    if isinstance(build, str):
        text = build.strip()
        if not text:
            raise InvalidImageError("The image is empty; expected a digest, or what a build left behind.")
        if text.startswith("{"):
            return _of_mapping(_parse(text, "The image"), "The image")
        if digest := _in_reference(text):
            return digest
        build = text
    if isinstance(build, os.PathLike | str):
        return _of_path(Path(build))
    raise InvalidImageError(f"The image is a {type(build).__name__}; expected a text, a path or a mapping.")


def _in_reference(text: str) -> str | None:
    if any(character.isspace() for character in text):
        return None
    digest = text.rpartition("@")[2]
    return digest if _DIGEST.fullmatch(digest) else None


def _of_path(path: Path) -> str:
    try:
        if path.is_dir():
            return _of_layout(path)
        if path.is_file():
            return _of_file(path)
    except (OSError, ValueError) as error:
        if isinstance(error, InvalidImageError):
            raise
        raise InvalidImageError(f"{str(path)!r} cannot be read: {error}") from error
    raise InvalidImageError(
        f"{str(path)!r} is neither a digest (sha256: and 64 lower-case hexadecimal digits), nor an image "
        "reference with one (name@sha256:…), nor an existing file or folder of a build on this worker."
    )


def _of_file(path: Path) -> str:
    text = _read(path).strip()
    if not text:
        raise InvalidImageError(f"{str(path)!r} is empty: the build has not written a digest into it.")
    if text.startswith("{"):
        return _of_mapping(_parse(text, repr(str(path))), repr(str(path)))
    if digest := _in_reference(text):
        return digest
    raise InvalidImageError(f"{str(path)!r} holds no single digest, nor a build's metadata.")


def _of_mapping(metadata: Mapping[str, Any], what: str) -> str:
    if "manifests" in metadata:
        raise InvalidImageError(f"{what} is the index of an OCI layout; hand over the folder that it lies in.")
    found = {key: metadata[key] for key in _DIGEST_KEYS if key in metadata}
    for key, digest in found.items():
        if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
            raise InvalidImageError(f"{what} has {key!r}, but not a sha256 digest under it.")
    if len(set(found.values())) > 1:
        raise InvalidImageError(f"{what} names more than one image: {found}.")
    if found:
        return str(next(iter(found.values())))
    raise InvalidImageError(
        f"{what} has none of the keys {', '.join(map(repr, _DIGEST_KEYS))}; it has {', '.join(map(repr, metadata))}."
    )


def _of_layout(folder: Path) -> str:
    index_file = folder / "index.json"
    if not index_file.is_file():
        raise InvalidImageError(f"The folder {str(folder)!r} is not an OCI image layout: it has no index.json.")
    index = _parse(_read(index_file), repr(str(index_file)))
    manifests = index.get("manifests")
    if not isinstance(manifests, list) or not all(isinstance(entry, dict) for entry in manifests):
        raise InvalidImageError(f"{str(index_file)!r} has no list of 'manifests'.")
    images = [entry for entry in manifests if not _is_attestation(entry)]
    if len(images) != 1:
        found = ", ".join(str(entry.get("digest")) for entry in images) or "none"
        raise InvalidImageError(f"The OCI layout {str(folder)!r} must hold one image; found {found}.")
    digest = images[0].get("digest")
    if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
        raise InvalidImageError(f"{str(index_file)!r} names its image by {digest!r}, which is not a sha256 digest.")
    _check_blob(folder, digest)
    return digest


def _is_attestation(entry: Mapping[str, Any]) -> bool:
    annotations = entry.get("annotations")
    key, value = _ATTESTATION
    return isinstance(annotations, dict) and annotations.get(key) == value


def _check_blob(folder: Path, digest: str) -> None:
    blob = folder / "blobs" / digest.replace(":", "/")
    if not blob.is_file():
        raise InvalidImageError(f"The OCI layout {str(folder)!r} lacks the manifest {digest} that its index names.")
    if blob.stat().st_size > _LARGEST_MANIFEST:
        raise InvalidImageError(f"The manifest {digest} of {str(folder)!r} is larger than 4 MiB, which no manifest is.")
    found = "sha256:" + hashlib.sha256(blob.read_bytes()).hexdigest()
    if found != digest:
        raise InvalidImageError(
            f"The OCI layout {str(folder)!r} is damaged: its manifest {digest} has the digest {found}."
        )


def _read(path: Path) -> str:
    with path.open("rb") as file:
        content = file.read(_LARGEST_FILE + 1)
    if len(content) > _LARGEST_FILE:
        raise InvalidImageError(f"{str(path)!r} is larger than 1 MiB; no build tool writes that for a digest.")
    return content.decode("utf-8")


def _parse(text: str, what: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidImageError(f"{what} looks like JSON but is not: {error}") from error
    if not isinstance(value, dict):
        raise InvalidImageError(f"{what} is a JSON {type(value).__name__}, not an object.")
    return value
