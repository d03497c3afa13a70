"""The table of readers: which shapes of metadata are known, and who reads each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_wriftai.client.text import truncated_repr
from airflow_provider_wriftai.domain.images import (
    buildx,
    cloud_build,
    inspected,
    jib,
    oci_index,
    other_builders,
    push_output,
    registries,
)
from airflow_provider_wriftai.domain.images.errors import InvalidImageError
from airflow_provider_wriftai.domain.images.image import Entry

_MOST_KEYS = 10


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads the metadata of one source.

    Attributes:
        shape: The source and its keys, for messages.
        recognizes: Whether metadata is of this shape.
        read: Finds the images in it.
    """

    shape: str
    recognizes: Callable[[Mapping[str, Any]], bool]
    read: Callable[[Mapping[str, Any], str], Iterable[Entry]]


READERS = (
    Reader(
        "'containerimage.digest' or 'containerimage.descriptor' (buildx, buildah)", buildx.is_build, buildx.read_build
    ),
    Reader("'digest' and 'imageid' (build-push-action)", buildx.is_action, buildx.read_action),
    Reader("targets with the first (bake)", buildx.is_bake, buildx.read_bake),
    Reader("'manifests' (OCI index, imagetools inspect)", oci_index.is_index, oci_index.read_index),
    Reader("'manifest' (imagetools inspect)", oci_index.is_inspected, oci_index.read_inspected),
    Reader("'imageDetails' or 'image' with 'imageId' (ECR)", registries.is_ecr, registries.read_ecr),
    Reader("'outputImages' (ACR)", registries.is_acr, registries.read_acr),
    Reader("'builds' (skaffold)", other_builders.is_skaffold, other_builders.read_skaffold),
    Reader("'image' with 'digest' (Buildpacks)", other_builders.is_buildpacks, other_builders.read_buildpacks),
    Reader("'imageDigest' (Jib)", jib.is_jib, jib.read_jib),
    Reader("'results' with 'images' (Cloud Build)", cloud_build.is_cloud_build, cloud_build.read_cloud_build),
    Reader("'RepoDigests' (docker image inspect)", inspected.is_docker, inspected.read_docker),
    Reader("'aux' (docker push)", push_output.is_message, push_output.read_message),
    Reader("'Name' and 'Digest' (skopeo inspect)", inspected.is_skopeo, inspected.read_skopeo),
    Reader("'mediaType' and 'digest' (OCI descriptor)", oci_index.has_digest, oci_index.read_one_descriptor),
)
"""Tried in this order: the first one that recognizes the metadata reads it."""


def read_metadata(metadata: Mapping[str, Any], subject: str) -> list[Entry]:
    """Find the images in the metadata of a build.

    Args:
        metadata: What the build wrote.
        subject: How messages name the source, at the start of a sentence.

    Returns:
        The images, in the order in which they are written, and what is in the metadata beside them.

    Raises:
        InvalidImageError: It is of no shape that is known, or of a build that failed or is not finished.
    """
    for reader in READERS:
        if reader.recognizes(metadata):
            return list(reader.read(metadata, subject))
    if "layers" in metadata and "config" in metadata:
        raise InvalidImageError(f"{subject} is a manifest itself, which does not contain its digest. Pass the digest.")
    keys = ", ".join(truncated_repr(key) for key in list(metadata)[:_MOST_KEYS]) or "no keys"
    raise InvalidImageError(
        f"{subject} names no image. Known keys are {'; '.join(reader.shape for reader in READERS)}. It has {keys}."
    )
