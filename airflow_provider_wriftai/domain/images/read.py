"""The image in what a build left behind."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from airflow_provider_wriftai.domain.images.build_metadata import images_in
from airflow_provider_wriftai.domain.images.image import Image, parse_image, select_image
from airflow_provider_wriftai.domain.images.json_text import parse_object
from airflow_provider_wriftai.domain.images.oci_layout import INDEX, read_layout
from airflow_provider_wriftai.domain.publishing.errors import InvalidImageError

BuildResult = str | os.PathLike[str] | Mapping[str, Any]
"""What a build may hand over: see :func:`read_image`."""

_BYTE_ORDER_MARK = "\ufeff"
_LARGEST_FILE = 8 * 1024 * 1024
_ID_FILE = re.compile(r"(?<![a-z])(iid|(image|img)[-_.]?id)([-_.]?file)?(?![a-z])", re.IGNORECASE)


def read_image(build: BuildResult, selector: str | None = None) -> Image:
    """Find the image, and the digest of its manifest.

    Args:
        build: One of

            - a digest, ``sha256:`` and 64 lower-case hexadecimal digits (OCI image-spec, descriptor.md);
            - an image reference that ends in ``@`` and a digest;
            - a text of such lines, or the path of a file of them: the ``--digestfile`` of buildah, podman and
              skopeo (``skopeo sync`` writes the digest before the reference), kaniko's ``--digest-file`` and
              ``--image-name-with-digest-file``;
            - the metadata of a build as a mapping, as JSON text, or as the path of a JSON file: that of
              ``docker buildx build``, ``bake`` and ``imagetools create`` with ``--metadata-file``, Jib's
              ``jib-image.json``, a Cloud Build build, an OCI descriptor or index;
            - the path of an OCI image layout: a folder with ``index.json``.
        selector: Which image, where the build made several: the target of a bake, the name of an image
            (with or without its tag), its name or platform (``linux/arm64``) in an OCI layout or index.

    Returns:
        The image.

    Raises:
        InvalidImageError: There is none, or more than one.
    """
    if isinstance(build, Mapping):
        return select_image(images_in(build, "The build's metadata"), selector, "The build's metadata")
    if isinstance(build, str):
        build = build.removeprefix(_BYTE_ORDER_MARK)
        if not build.strip():
            raise InvalidImageError("The image is empty; expected a digest, or what a build left behind.")
        if images := _images_in_text(build, "The image"):
            return select_image(images, selector, "The image")
        build = build.strip()
    path = os.fspath(build) if isinstance(build, os.PathLike) else build
    if isinstance(path, str):
        return _of_path(Path(path), selector)
    raise InvalidImageError(f"The image is a {type(build).__name__}; expected a text, a path or a mapping.")


def read_image_digest(build: BuildResult, selector: str | None = None) -> str:
    """Find the digest of the image's manifest: see :func:`read_image`."""
    return read_image(build, selector).digest


def _of_path(path: Path, selector: str | None) -> Image:
    try:
        if path.is_dir():
            return read_layout(path, selector)
        if path.name == INDEX and (path.parent / "oci-layout").is_file():
            return read_layout(path.parent, selector)
        if path.is_file():
            return _of_file(path, selector)
    except InvalidImageError:
        raise
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InvalidImageError(f"{str(path)[:300]!r} cannot be read: {reason}") from error
    raise InvalidImageError(
        f"{str(path)[:300]!r} is neither a digest (sha256: and 64 lower-case hexadecimal digits), nor an image "
        "reference with one (name@sha256:…), nor an existing file or folder of a build on this worker."
    )


def _of_file(path: Path, selector: str | None) -> Image:
    what = repr(str(path))
    if _ID_FILE.search(path.name):
        raise InvalidImageError(
            f"{what} is an image id file by its name. Build tools write the digest of the image's config into that, "
            "which is not the image's; use --metadata-file or --digestfile."
        )
    with path.open("rb") as file:
        content = file.read(_LARGEST_FILE + 1)
    if len(content) > _LARGEST_FILE:
        raise InvalidImageError(f"{what} is larger than 8 MiB; no build tool writes that for a digest.")
    text = content.decode("utf-8-sig")
    if not text.strip():
        raise InvalidImageError(
            f"{what} is empty: the build has not written a digest into it. Some tools end well all the same."
        )
    images = _images_in_text(text, what)
    if images is None:
        raise InvalidImageError(f"{what} holds neither digests, one a line, nor a build's metadata.")
    return select_image(images, selector, what)


def _images_in_text(text: str, what: str) -> list[Image] | None:
    """Read metadata or lines; None where the text is neither."""
    if text.lstrip().startswith("{"):
        return images_in(parse_object(text, what), what)
    lines = [_image_in_line(line.strip()) for line in text.splitlines() if line.strip()]
    return None if None in lines else [line for line in lines if line is not None]


def _image_in_line(line: str) -> Image | None:
    first, _, rest = line.partition(" ")
    image = parse_image(first)
    if image is None or not rest:
        return image
    # As skopeo sync writes it: the digest before the reference.
    named = parse_image(f"{rest.strip()}@{first}")
    return named if named is not None and "@" not in first else None
