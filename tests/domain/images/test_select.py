"""Select one image by name, platform, or digest, and skip entries that are not images."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_wriftai.domain.images.errors import InvalidImageError
from airflow_provider_wriftai.domain.images.read import read_image, read_image_digest

DIGEST = "sha256:" + "ab" * 32
OTHER = "sha256:" + "ef" * 32
THIRD = "sha256:" + "cd" * 32
NAME = "org.opencontainers.image.ref.name"

NOT_IMAGES: dict[str, dict[str, Any]] = {
    "attestation": {"digest": OTHER, "annotations": {"vnd.docker.reference.type": "attestation-manifest"}},
    "unknown platform": {"digest": OTHER, "platform": {"os": "unknown", "architecture": "unknown"}},
    "referrer": {"digest": OTHER, "artifactType": "application/vnd.example.sbom.v1"},
    "signature by name": {"digest": OTHER, "annotations": {NAME: f"sha256-{'ab' * 32}.sig"}},
    "signature by kind": {"digest": OTHER, "annotations": {"kind": "dev.cosignproject.cosign/sigs"}},
    "unknown media type": {"digest": OTHER, "mediaType": "application/vnd.example.v1+json"},
    "odd media type": {"digest": OTHER, "mediaType": 7},
}


def _platform(os: str, architecture: str, variant: str | None = None) -> dict[str, Any]:
    return {"os": os, "architecture": architecture, **({"variant": variant} if variant else {})}


@pytest.mark.parametrize("entry", NOT_IMAGES.values(), ids=NOT_IMAGES)
def test_entries_that_are_not_images_are_skipped(entry: dict[str, Any]) -> None:
    index = {"manifests": [entry, {"digest": DIGEST, "platform": _platform("linux", "amd64")}]}
    assert read_image_digest(index) == DIGEST
    assert read_image_digest(index, "linux/amd64") == DIGEST
    with pytest.raises(InvalidImageError, match="which is not an image"):
        read_image_digest(index, OTHER)
    with pytest.raises(InvalidImageError, match="which is not an image"):
        read_image_digest({"manifests": [entry]})


def test_an_entry_with_the_artifact_type_of_images_is_an_image() -> None:
    artifact_type = "application/vnd.oci.image.config.v1+json"
    assert read_image_digest({"manifests": [{"digest": DIGEST, "artifactType": artifact_type}]}) == DIGEST


def test_an_image_with_another_digest_algorithm_does_not_prevent_selecting_others() -> None:
    index = {
        "manifests": [
            {"digest": "sha512:" + "ab" * 64, "platform": _platform("linux", "arm64")},
            {"digest": DIGEST, "platform": _platform("linux", "amd64")},
        ]
    }
    assert read_image_digest(index, "linux/amd64") == DIGEST
    with pytest.raises(InvalidImageError, match=r"more than one image.*'linux/arm64'"):
        read_image_digest(index)
    with pytest.raises(InvalidImageError, match=r"'sha512:.*expected sha256:"):
        read_image_digest(index, "linux/arm64")


@pytest.mark.parametrize(
    ("platform", "selectors"),
    [
        (_platform("linux", "arm64", "v8"), ["linux/arm64", "linux/arm64/v8"]),
        (_platform("linux", "arm64"), ["linux/arm64", "linux/arm64/v8"]),
        (_platform("linux", "arm", "v7"), ["linux/arm", "linux/arm/v7"]),
        (_platform("linux", "amd64", "v1"), ["linux/amd64", "linux/amd64/v1"]),
        (_platform("linux", "arm", "v6"), ["linux/arm/v6"]),
        (_platform("linux", "amd64", "v3"), ["linux/amd64/v3"]),
    ],
)
def test_a_platform_is_selected_with_and_without_its_default_variant(
    platform: dict[str, Any], selectors: list[str]
) -> None:
    index = {"manifests": [{"digest": DIGEST, "platform": platform}, {"digest": OTHER}]}
    for selector in selectors:
        assert read_image_digest(index, selector) == DIGEST
    assert set(read_image(index, DIGEST).names) == set(selectors)


def test_a_digest_selects_an_image_whose_name_is_ambiguous() -> None:
    index = {"manifests": [{"digest": each, "annotations": {NAME: "1.2"}} for each in (DIGEST, OTHER)]}
    with pytest.raises(InvalidImageError, match=r"more than one image named '1\.2'"):
        read_image_digest(index, "1.2")
    assert read_image_digest(index, OTHER) == OTHER


def test_the_error_lists_the_images_up_to_a_limit() -> None:
    index = {"manifests": [{"digest": f"sha256:{n:064x}", "annotations": {NAME: f"v{n}"}} for n in range(100)]}
    with pytest.raises(InvalidImageError, match=r"'v9'\); …\.$"):
        read_image_digest(index)


def test_a_bake_target_that_was_not_pushed_does_not_prevent_selecting_others() -> None:
    bake = {
        "good": {"containerimage.digest": DIGEST},
        "loaded": {"containerimage.digest": OTHER, "containerimage.config.digest": OTHER},
        "results": {"containerimage.digest": THIRD},
    }
    assert read_image_digest(bake, "good") == DIGEST
    assert read_image_digest(bake, "results") == THIRD
    with pytest.raises(InvalidImageError, match=r"'loaded' of the build's metadata .* was not pushed"):
        read_image_digest(bake, "loaded")
    with pytest.raises(InvalidImageError, match="more than one image"):
        read_image_digest(bake)
