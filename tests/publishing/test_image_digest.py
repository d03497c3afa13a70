from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_wriftai.publishing.errors import InvalidImageError
from airflow_provider_wriftai.publishing.image_digest import read_image_digest

DIGEST = "sha256:" + "ab" * 32
CONFIG = "sha256:" + "cd" * 32

# As docker buildx 0.12 and Jib 3.4 document them.
BUILDX = {
    "buildx.build.ref": "default/default0/abc",
    "containerimage.config.digest": CONFIG,
    "containerimage.descriptor": {
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "digest": DIGEST,
        "size": 506,
    },
    "containerimage.digest": DIGEST,
    "image.name": "registry.example/acme/detector:latest",
}
JIB = {"image": "registry.example/acme/detector", "imageId": CONFIG, "imageDigest": DIGEST, "tags": ["latest"]}


def _layout(folder: Path, *manifests: dict[str, Any]) -> Path:
    (folder / "blobs" / "sha256").mkdir(parents=True)
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": list(manifests)}))
    return folder


def _manifest(folder: Path, content: bytes = b'{"schemaVersion": 2}', **more: Any) -> dict[str, Any]:
    digest = hashlib.sha256(content).hexdigest()
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True, exist_ok=True)
    (blobs / digest).write_bytes(content)
    return {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": f"sha256:{digest}", **more}


@pytest.mark.parametrize(
    "build",
    [
        DIGEST,
        f"  {DIGEST}\n",
        f"registry.example:5000/acme/detector@{DIGEST}",
        f"registry.example/acme/detector:1.2@{DIGEST}",
        BUILDX,
        json.dumps(BUILDX),
        JIB,
    ],
)
def test_what_a_build_says(build: Any) -> None:
    assert read_image_digest(build) == DIGEST


@pytest.mark.parametrize(
    "content",
    [
        DIGEST,
        DIGEST + "\n",
        f"registry.example/acme/detector@{DIGEST}\n",
        json.dumps(BUILDX),
        json.dumps(JIB, indent=2),
    ],
)
@pytest.mark.parametrize("as_text", [True, False])
def test_what_a_build_writes(tmp_path: Path, content: str, as_text: bool) -> None:
    file = tmp_path / "digest"
    file.write_text(content)
    assert read_image_digest(str(file) if as_text else file) == DIGEST


def test_an_oci_layout(tmp_path: Path) -> None:
    manifest = _manifest(tmp_path / "image")
    attestation = {
        "digest": CONFIG,
        "annotations": {"vnd.docker.reference.type": "attestation-manifest"},
    }
    folder = tmp_path / "image"
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [manifest, attestation]}))
    assert read_image_digest(str(folder)) == manifest["digest"]


@pytest.mark.parametrize(
    ("build", "said"),
    [
        ("", "empty"),
        (" \n", "empty"),
        ("sha256:" + "AB" * 32, "lower-case"),
        ("sha256:" + "ab" * 31, "neither a digest"),
        ("sha512:" + "ab" * 64, "neither a digest"),
        ("registry.example/acme/detector:latest", "nor an image reference with one"),
        ("/no/such/file", "nor an existing file"),
        ("a\x00b", "neither a digest"),
        (f"x@{CONFIG}\ny@{DIGEST}", "neither a digest"),
        ("{}", "none of the keys"),
        ("{", "looks like JSON but is not"),
        ({"containerimage.config.digest": CONFIG}, "none of the keys"),
        ({"containerimage.digest": None}, "not a sha256 digest"),
        ({"imageDigest": DIGEST + "\n"}, "not a sha256 digest"),
        ({"schemaVersion": 2, "manifests": []}, "hand over the folder"),
        (None, "NoneType"),
        (7, "int"),
        ([DIGEST], "list"),
    ],
)
def test_what_tells_no_digest(build: Any, said: str) -> None:
    with pytest.raises(InvalidImageError) as caught:
        read_image_digest(build)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"\n", "is empty"),
        (f"{DIGEST}\n{CONFIG}\n".encode(), "no single digest"),
        (b"\xff\xfe\x00", "cannot be read"),
        (b"{broken", "looks like JSON"),
        (b"x" * (1024 * 1024 + 1), "larger than 1 MiB"),
    ],
)
def test_files_that_tell_no_digest(tmp_path: Path, content: bytes, said: str) -> None:
    file = tmp_path / "digest"
    file.write_bytes(content)
    with pytest.raises(InvalidImageError, match=said):
        read_image_digest(file)


def test_layouts_that_tell_no_digest(tmp_path: Path) -> None:
    with pytest.raises(InvalidImageError, match=r"no index\.json"):
        read_image_digest(tmp_path)
    with pytest.raises(InvalidImageError, match="found none"):
        read_image_digest(_layout(tmp_path / "none"))
    with pytest.raises(InvalidImageError, match="must hold one image; found sha256:1, sha256:2"):
        read_image_digest(_layout(tmp_path / "two", {"digest": "sha256:1"}, {"digest": "sha256:2"}))
    with pytest.raises(InvalidImageError, match="not a sha256 digest"):
        read_image_digest(_layout(tmp_path / "odd", {"digest": "../../etc/passwd"}))
    with pytest.raises(InvalidImageError, match="lacks the manifest"):
        read_image_digest(_layout(tmp_path / "lost", {"digest": DIGEST}))


def test_a_damaged_layout(tmp_path: Path) -> None:
    manifest = _manifest(tmp_path)
    (tmp_path / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [manifest]}))
    (tmp_path / "blobs" / manifest["digest"].replace(":", "/")).write_bytes(b"other")
    with pytest.raises(InvalidImageError, match="damaged"):
        read_image_digest(tmp_path)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from([*BUILDX, *JIB, "manifests", "x"]), json_values))
def test_any_mapping_gives_a_digest_or_a_clear_error(metadata: dict[str, Any]) -> None:
    try:
        digest = read_image_digest(metadata)
    except InvalidImageError:
        return
    assert digest in (metadata.get("containerimage.digest"), metadata.get("imageDigest"))
