"""OCI descriptors: a media type, a digest, and what they describe (OCI image-spec, descriptor.md)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from airflow_provider_wriftai.client.references import is_digest
from airflow_provider_wriftai.client.text import truncated_repr
from airflow_provider_wriftai.domain.images.image import Entry, Image, UnusableEntry, names_of

INDEX_TYPES = frozenset(
    {
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
    }
)
MANIFEST_TYPES = frozenset(
    {
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    }
)
_CONFIG_TYPES = frozenset(
    {"application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"}
)
_ATTESTATION = ("vnd.docker.reference.type", "attestation-manifest")
_NAME_ANNOTATIONS = ("org.opencontainers.image.ref.name", "io.containerd.image.name")
_COSIGN_TAG = re.compile(r"(.*:)?sha256-[a-f0-9]{64}(\.[a-z]+)?")
_COSIGN_KIND = re.compile(r"dev\.cosignproject\.cosign/(?!image$|imageIndex$).*")
_DEFAULT_VARIANTS = {("arm64", "v8"), ("arm", "v7"), ("amd64", "v1")}


def read_digest(holder: Mapping[str, Any], key: str, subject: str, names: tuple[str, ...] = ()) -> Entry:
    """Read the digest of an image.

    Args:
        holder: What has it.
        key: Under which key.
        subject: How messages name the source, at the start of a sentence.
        names: What the image can be called.

    Returns:
        The image, or why there is none.
    """
    digest = holder.get(key)
    if not is_digest(digest):
        return UnusableEntry(
            f"{subject} has {truncated_repr(digest)} as {key!r}; expected sha256: and 64 lower-case hexadecimal "
            "digits.",
            names,
        )
    return Image(str(digest), names)


def describes_image(descriptor: object, digest: object) -> bool:
    """Return whether a descriptor states that a digest is that of a manifest or an index."""
    return (
        isinstance(descriptor, Mapping)
        and descriptor.get("digest") == digest
        and descriptor.get("mediaType") in MANIFEST_TYPES | INDEX_TYPES
    )


def read_descriptor(descriptor: Mapping[str, Any], subject: str, names: tuple[str, ...] = ()) -> Entry:
    """Read a descriptor.

    Returns:
        The image, with the names and the platform that the descriptor adds; or why it describes none.
    """
    names = tuple(dict.fromkeys((*names, *_annotated_names(descriptor), *_platforms(descriptor))))
    if (other := _describe_non_image(descriptor)) is not None:
        return UnusableEntry(
            f"{subject} describes {other}, which is not an image.", _with_digest(descriptor, names), False
        )
    return read_digest(descriptor, "digest", subject, names)


def annotations_of(descriptor: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the annotations of a descriptor."""
    annotations = descriptor.get("annotations")
    return annotations if isinstance(annotations, Mapping) else {}


def _with_digest(descriptor: Mapping[str, Any], names: tuple[str, ...]) -> tuple[str, ...]:
    digest = descriptor.get("digest")
    return (*names, digest) if isinstance(digest, str) else names


def _describe_non_image(descriptor: Mapping[str, Any]) -> str | None:
    """Return what a descriptor describes instead of an image; None for an image."""
    media_type, artifact_type = descriptor.get("mediaType"), descriptor.get("artifactType")
    annotations, platform = annotations_of(descriptor), descriptor.get("platform")
    key, value = _ATTESTATION
    if annotations.get(key) == value:
        return "an attestation"
    if isinstance(platform, Mapping) and platform.get("os") == platform.get("architecture") == "unknown":
        return "an attestation (platform unknown/unknown)"
    if media_type is not None and media_type not in (*MANIFEST_TYPES, *INDEX_TYPES):
        return f"a {truncated_repr(media_type)}"
    if artifact_type is not None and artifact_type not in tuple(_CONFIG_TYPES):
        return f"an artifact of type {truncated_repr(artifact_type)}"
    kind, name = annotations.get("kind"), annotations.get(_NAME_ANNOTATIONS[0])
    is_signature = (isinstance(kind, str) and _COSIGN_KIND.fullmatch(kind)) or (
        isinstance(name, str) and _COSIGN_TAG.fullmatch(name)
    )
    return "a signature or attestation of Cosign" if is_signature else None


def _annotated_names(descriptor: Mapping[str, Any]) -> tuple[str, ...]:
    annotations = annotations_of(descriptor)
    return names_of(*(annotations.get(key) for key in _NAME_ANNOTATIONS))


def _platforms(descriptor: Mapping[str, Any]) -> tuple[str, ...]:
    """List how a platform can be called: linux/arm64 is linux/arm64/v8."""
    platform = descriptor.get("platform")
    if not isinstance(platform, Mapping):
        return ()
    system, architecture, variant = (
        each if isinstance(each, str) else "" for each in map(platform.get, ("os", "architecture", "variant"))
    )
    written = "/".join(filter(None, (system, architecture, variant)))
    if not system or not architecture:
        return (written,) if written else ()
    if (architecture, variant) in _DEFAULT_VARIANTS:
        return (written, f"{system}/{architecture}")
    if not variant:
        return (written, *(f"{written}/{usual}" for name, usual in sorted(_DEFAULT_VARIANTS) if name == architecture))
    return (written,)
