"""The images in the metadata of a build, as build tools write it: a mapping."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from airflow_provider_wriftai.client.references import is_digest
from airflow_provider_wriftai.domain.images.image import Image, names_of
from airflow_provider_wriftai.domain.publishing.errors import InvalidImageError

_ATTESTATION = ("vnd.docker.reference.type", "attestation-manifest")
_NAME_ANNOTATIONS = ("org.opencontainers.image.ref.name", "io.containerd.image.name")
_SHAPES = (
    "'containerimage.digest' or 'containerimage.descriptor' (docker buildx, buildah; under each target of a bake), "
    "'imageDigest' (Jib), 'results' with 'images' (Cloud Build), 'manifests' (OCI index), 'digest' (OCI descriptor)"
)


def images_in(metadata: Mapping[str, Any], what: str) -> list[Image]:
    """List the images that a build's metadata tells of.

    The digest of an image's config, which some tools write beside that of its manifest
    (``containerimage.config.digest``, Jib's ``imageId``), names something else and is never read.

    Args:
        metadata: What the build wrote.
        what: What that is, to begin a sentence with.

    Returns:
        The images, in the order in which they are written.

    Raises:
        InvalidImageError: It is of no shape that is known, or has something else where a digest belongs.
    """
    found = list(_images_in(metadata, what))
    if not found and not _is_empty_list_of_images(metadata):
        keys = ", ".join(repr(str(key)[:60]) for key in list(metadata)[:20]) or "nothing"
        raise InvalidImageError(f"{what} has nothing that names an image. Known are {_SHAPES}; it has {keys}.")
    return found


def _images_in(metadata: Mapping[str, Any], what: str) -> Iterator[Image]:
    if "manifests" in metadata:
        yield from images_in_index(metadata, what)
        return
    yield from _images_of_buildx(metadata, what)
    if "imageDigest" in metadata:
        _refuse_id(metadata, "imageDigest", "imageId", what)
        image = metadata.get("image")
        yield _candidate(metadata, "imageDigest", what, names_of(image) if isinstance(image, str) else ())
    elif "digest" in metadata:
        yield _candidate(metadata, "digest", what, ())
    results = metadata.get("results", metadata)
    if isinstance(results, Mapping) and isinstance(results.get("images"), list):
        for image in results["images"]:
            if not isinstance(image, Mapping):
                raise InvalidImageError(f"{what} has a list of 'images' with something else than an image in it.")
            name = image.get("name")
            yield _candidate(image, "digest", f"An image of {what}", names_of(name) if isinstance(name, str) else ())
    for target, built in metadata.items():
        if isinstance(built, Mapping) and target != "containerimage.descriptor":
            for image in _images_of_buildx(built, f"The target {str(target)[:100]!r} of {what}"):
                yield Image(image.digest, (str(target), *image.names))


def _images_of_buildx(metadata: Mapping[str, Any], what: str) -> Iterator[Image]:
    named = metadata.get("image.name")
    names = (
        tuple(name for each in named.split(",") for name in names_of(each.strip())) if isinstance(named, str) else ()
    )
    if "containerimage.digest" in metadata:
        _refuse_id(metadata, "containerimage.digest", "containerimage.config.digest", what)
        yield _candidate(metadata, "containerimage.digest", what, names)
    descriptor = metadata.get("containerimage.descriptor")
    if isinstance(descriptor, Mapping):
        yield _candidate(descriptor, "digest", f"'containerimage.descriptor' of {what}", names)


def images_in_index(index: Mapping[str, Any], what: str) -> list[Image]:
    """List the images of an OCI index (image-index.md), without the attestations that buildx adds to them.

    Args:
        index: The index.
        what: What it is, to begin a sentence with.

    Returns:
        The images; their names are their annotations' and their platforms (``linux/amd64``).

    Raises:
        InvalidImageError: It is no index.
    """
    manifests = index.get("manifests")
    if not isinstance(manifests, list) or not all(isinstance(entry, Mapping) for entry in manifests):
        raise InvalidImageError(f"{what} has no list of 'manifests'.")
    return [_candidate(entry, "digest", what, _names_in(entry)) for entry in manifests if not _is_attestation(entry)]


def _is_attestation(entry: Mapping[str, Any]) -> bool:
    key, value = _ATTESTATION
    annotations = entry.get("annotations")
    return isinstance(annotations, Mapping) and annotations.get(key) == value


def _names_in(entry: Mapping[str, Any]) -> tuple[str, ...]:
    annotations, platform = entry.get("annotations"), entry.get("platform")
    found: list[str] = []
    if isinstance(annotations, Mapping):
        for key in _NAME_ANNOTATIONS:
            if isinstance(annotations.get(key), str):
                found.extend(names_of(annotations[key]))
    if isinstance(platform, Mapping):
        parts = [platform.get(key) for key in ("os", "architecture", "variant")]
        found.append("/".join(part for part in parts if isinstance(part, str) and part))
    return tuple(found)


def _is_empty_list_of_images(metadata: Mapping[str, Any]) -> bool:
    results = metadata.get("results", metadata)
    return metadata.get("manifests") == [] or (isinstance(results, Mapping) and results.get("images") == [])


def _refuse_id(metadata: Mapping[str, Any], digest_key: str, id_key: str, what: str) -> None:
    # As docker's own builder writes it where it only loads the image: there is no manifest, so nothing can be pulled.
    if isinstance(metadata[digest_key], str) and metadata[digest_key] == metadata.get(id_key):
        raise InvalidImageError(
            f"{what} has the same digest as {digest_key!r} and {id_key!r}: that is the image's id and not its digest, "
            "because the image was only loaded and not pushed. Push it (docker buildx build --push)."
        )


def _candidate(holder: Mapping[str, Any], key: str, what: str, names: tuple[str, ...]) -> Image:
    digest, media_type = holder.get(key), holder.get("mediaType")
    if not is_digest(digest):
        said = repr(digest[:100]) if isinstance(digest, str) else f"a {type(digest).__name__}"
        raise InvalidImageError(
            f"{what} has {said} as {key!r}, which is no digest: sha256: and 64 lower-case hexadecimal digits."
        )
    if isinstance(media_type, str) and not ("manifest" in media_type or "index" in media_type):
        raise InvalidImageError(f"{what} describes a {media_type[:100]!r}, which is no image's manifest or index.")
    return Image(str(digest), names)
