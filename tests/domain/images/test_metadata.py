"""Each source's metadata: what is accepted, with which names, and what is refused with which reason."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_wriftai.domain.images.errors import InvalidImageError
from airflow_provider_wriftai.domain.images.metadata import READERS
from airflow_provider_wriftai.domain.images.read import read_image, read_image_digest

DIGEST = "sha256:" + "ab" * 32
OTHER = "sha256:" + "ef" * 32
INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
JIB = {"image": "registry.example/acme/detector", "imageId": OTHER, "imageDigest": DIGEST, "tags": ["latest", "1.2"]}
IMAGETOOLS = {
    "schemaVersion": 2,
    "mediaType": INDEX,
    "digest": DIGEST,
    "size": 856,
    "manifests": [
        {"mediaType": MANIFEST, "digest": OTHER, "platform": {"architecture": "amd64", "os": "linux"}},
        {
            "mediaType": MANIFEST,
            "digest": "sha256:" + "00" * 32,
            "platform": {"architecture": "unknown", "os": "unknown"},
            "annotations": {"vnd.docker.reference.type": "attestation-manifest"},
        },
    ],
}
ACR = {"registry": "acme.azurecr.io", "repository": "detector", "tag": "1.2", "digest": DIGEST}
SKAFFOLD = {
    "builds": [
        {"imageName": "detector", "tag": f"registry.example/acme/detector:1.2@{DIGEST}"},
        {"imageName": "classifier", "tag": "classifier:1.2"},
    ]
}
REPORT = f"""[build]
[image]
tags = ["registry.example/acme/detector:1.2", "registry.example/acme/detector:latest"]
digest = "{DIGEST}"
manifest-size = 1083
"""


@pytest.mark.parametrize(
    ("build", "selector", "digest"),
    [
        # Jib with several platforms: both digests are that of the manifest list.
        ({**JIB, "imageId": DIGEST}, None, DIGEST),
        (JIB, "1.2", DIGEST),
        (JIB, "registry.example/acme/detector:1.2", DIGEST),
        (
            {**JIB, "image": "registry.example:5000/acme/detector:old"},
            "registry.example:5000/acme/detector:1.2",
            DIGEST,
        ),
        # buildx 0.8 to 0.21 with the containerd image store.
        (
            {
                "containerimage.config.digest": DIGEST,
                "containerimage.digest": DIGEST,
                "containerimage.descriptor": {"mediaType": INDEX, "digest": DIGEST, "size": 856},
            },
            None,
            DIGEST,
        ),
        # The tag names the index. A platform is selected only on request.
        (IMAGETOOLS, None, DIGEST),
        (IMAGETOOLS, "linux/amd64", OTHER),
        (IMAGETOOLS, OTHER, OTHER),
        ({"name": "registry.example/acme/detector:1.2", "manifest": IMAGETOOLS, "image": {}}, None, DIGEST),
        ({"name": "registry.example/detector:1.2", "manifest": IMAGETOOLS}, "registry.example/detector", DIGEST),
        ({"schemaVersion": 2, "mediaType": MANIFEST, "digest": DIGEST, "size": 524}, None, DIGEST),
        # docker/build-push-action.
        ({"imageid": OTHER, "digest": DIGEST, "metadata": "{}"}, None, DIGEST),
        (
            {
                "imageid": DIGEST,
                "digest": DIGEST,
                "metadata": {
                    "containerimage.digest": DIGEST,
                    "containerimage.descriptor": {"mediaType": INDEX, "digest": DIGEST},
                },
            },
            None,
            DIGEST,
        ),
        # Registries.
        ({"outputImages": [ACR]}, "acme.azurecr.io/detector:1.2", DIGEST),
        ({"outputImages": [ACR], "status": "Succeeded"}, "detector", DIGEST),
        ({"output_images": [ACR]}, None, DIGEST),
        (
            {"imageDetails": [{"repositoryName": "acme/detector", "imageDigest": DIGEST, "imageTags": ["1.2"]}]},
            "1.2",
            DIGEST,
        ),
        (
            {
                "imageDetails": [
                    {"imageDigest": DIGEST, "imageTags": ["1.2"], "imageManifestMediaType": MANIFEST},
                    {"imageDigest": OTHER, "imageManifestMediaType": "application/vnd.example.signature"},
                ]
            },
            None,
            DIGEST,
        ),
        ({"image": {"repositoryName": "acme/detector", "imageId": {"imageDigest": DIGEST}}}, "acme/detector", DIGEST),
        ({"imageIds": [{"imageDigest": DIGEST, "imageTag": "1.2"}]}, "1.2", DIGEST),
        (
            {"images": [{"repositoryName": "detector", "imageId": {"imageDigest": DIGEST, "imageTag": "1"}}]},
            "1",
            DIGEST,
        ),
        # Other builders.
        (SKAFFOLD, "detector", DIGEST),
        (SKAFFOLD, "registry.example/acme/detector:1.2", DIGEST),
        ({"builds": SKAFFOLD["builds"][:1]}, None, DIGEST),
        (REPORT, "registry.example/acme/detector", DIGEST),
        ({"image": {"tags": ["detector:1.2"], "digest": DIGEST}}, "detector:1.2", DIGEST),
        # Inspected.
        (
            {"Name": "registry.example/detector", "Digest": DIGEST, "RepoTags": ["1", "2"]},
            "registry.example/detector",
            DIGEST,
        ),
        (
            [{"Id": OTHER, "RepoDigests": [f"a.example/x@{DIGEST}"], "RepoTags": ["a.example/x:1"]}],
            "a.example/x:1",
            DIGEST,
        ),
        ({"Id": OTHER, "RepoDigests": [f"a.example/x@{DIGEST}", f"b.example/x@{OTHER}"]}, "b.example/x", OTHER),
        ([f"a.example/x@{DIGEST}"], None, DIGEST),
        (f"[a.example/x@{DIGEST} b.example/x@{OTHER}]", "b.example/x", OTHER),
        # Pushed.
        ({"Tag": "1.2", "Digest": DIGEST, "Size": 524}, "1.2", DIGEST),
        ([{"status": "x"}, {"progressDetail": {}, "aux": {"Tag": "1.2", "Digest": DIGEST, "Size": 5}}], None, DIGEST),
        ([{"aux": {"ID": OTHER}}, {"aux": {"Tag": "1.2", "Digest": DIGEST, "Size": 5}}], None, DIGEST),
        # The operation that Cloud Build returns if the build is not waited for, after the build has ended.
        ({"metadata": {"build": {"status": "SUCCESS", "results": {"images": [{"digest": DIGEST}]}}}}, None, DIGEST),
        # In quotes.
        (json.dumps(DIGEST), None, DIGEST),
        (json.dumps(json.dumps({"imageDigest": DIGEST})), None, DIGEST),
        (repr({"imageDigest": DIGEST, "imagePushed": True}), None, DIGEST),
        (repr([{"aux": {"Tag": "1", "Digest": DIGEST, "Size": 1}}]), None, DIGEST),
        # A name from a reference with a transport.
        (f"docker://a.example/x:1@{DIGEST}\nb.example/x@{OTHER}", "docker://a.example/x:1", DIGEST),
        (f"user:secret@a.example:5000/x:1@{DIGEST}\nb.example/x@{OTHER}", "a.example:5000/x:1", DIGEST),
        (f"https://user:secret@a.example/x:1@{DIGEST}\nb.example/x@{OTHER}", "a.example/x:1", DIGEST),
    ],
)
def test_what_is_accepted(build: Any, selector: str | None, digest: str) -> None:
    assert read_image_digest(build, selector) == digest
    if not isinstance(build, str):
        assert read_image_digest(json.dumps(build), selector) == digest


@pytest.mark.parametrize(
    ("build", "selector", "message"),
    [
        ({"imageid": DIGEST, "digest": DIGEST}, None, "image id and not the digest, because the image was not pushed"),
        ({"imageid": DIGEST, "digest": DIGEST, "metadata": "{}"}, None, "Push it"),
        (
            {
                "containerimage.config.digest": DIGEST,
                "containerimage.digest": DIGEST,
                "containerimage.descriptor": {"mediaType": MANIFEST, "digest": OTHER},
            },
            None,
            "image id and not the digest",
        ),
        ({"status": 4, "results": {"images": [{"digest": DIGEST}]}}, None, "did not succeed (status 'FAILURE')"),
        ({"status": "CANCELLED", "results": {"images": [{"digest": DIGEST}]}}, None, "did not succeed"),
        ({"status": 99, "results": {"images": [{"digest": DIGEST}]}}, None, "did not succeed (status '99')"),
        ({"status": 1, "steps": []}, None, "is not finished (status QUEUED)"),
        ({"metadata": {"build": {"status": "WORKING"}}}, None, "is not finished"),
        ({"images": ["registry.example/x"], "steps": []}, None, "without a digest"),
        ({"outputImages": [ACR], "status": "Failed"}, None, "did not succeed"),
        ({"outputImages": None, "status": "Running"}, None, "is not finished"),
        ({"outputImages": [7]}, None, "no list of output images"),
        ({"imageDetails": {}}, None, "no list of imageDetails"),
        (SKAFFOLD, None, "more than one image"),
        (SKAFFOLD, "classifier", "skaffold did not push it"),
        ({"builds": [{}]}, None, "an entry in 'builds' that is not a build"),
        ({"image": {"tags": ["x"], "image-id": OTHER}}, None, "image id and no digest"),
        ("[image]\ntags = [", None, "looks like TOML but is not"),
        ([{"Id": OTHER, "Digest": DIGEST, "RepoDigests": [f"x@{DIGEST}"]}], None, "from podman image inspect"),
        ([{"id": "9f2d", "names": ["localhost/x:1"], "digest": DIGEST, "size": "3 KB"}], None, "from buildah images"),
        ({"Name": "localhost/x", "Digest": DIGEST, "RepoTags": []}, None, "from skopeo inspect of a local copy"),
        ({"digest": DIGEST, "tag": "1.2"}, None, "is not an OCI descriptor: it has 'tag' and no 'mediaType'"),
        ([{"Id": OTHER, "RepoDigests": [], "RepoTags": ["x:1"]}], None, "not pushed to, or pulled from"),
        ([{"status": "Preparing", "progressDetail": {}}], None, "not read to its end"),
        ([{"errorDetail": {"message": "denied"}, "error": "denied"}], None, "push failed: 'denied'"),
        ([{"aux": {"ID": OTHER}}], None, "an image id and no digest"),
        ({"aux": {"ID": OTHER}}, None, "an image id and no digest"),
        ({"schemaVersion": 2, "config": {"digest": OTHER}, "layers": []}, None, "is a manifest itself"),
        (JIB, "2.0", "no image named '2.0'. It has sha256:"),
        (JIB, 1.2, "image_selector must be a string; got 1.2"),
        ("{'a': datetime.datetime(2026, 1, 1)}", None, "`| tojson`"),
        ("{'a': {1, 2}}", None, "a value of type set"),
        ("{'a': " * 10_000, None, "neither JSON nor a Python literal"),
        ("{'a': '" + "x" * 2**20 + "'}", None, "that a template wrote out"),
        ("{\n}\n{", None, "looks like JSON, but"),
        ([[DIGEST]], None, "a list with an entry of type list"),
    ],
)
def test_what_is_refused(build: Any, selector: Any, message: str) -> None:
    with pytest.raises(InvalidImageError) as caught:
        read_image_digest(build, selector)
    assert message in str(caught.value)
    assert len(str(caught.value)) < 1500


def test_an_image_that_jib_did_not_push_causes_a_warning() -> None:
    (warning,) = read_image({**JIB, "imagePushed": False}).warnings
    assert "Jib did not push" in warning
    assert read_image({**JIB, "imagePushed": True}).warnings == ()


def test_an_inspected_image_without_tags_causes_a_warning() -> None:
    inspected = {"Name": "registry.example/acme/detector", "Digest": DIGEST, "RepoTags": []}
    (warning,) = read_image(inspected).warnings
    assert "may be about a local copy" in warning
    assert DIGEST in warning
    assert read_image({**inspected, "RepoTags": ["1.2"]}).warnings == ()


def test_credentials_in_a_reference_are_in_no_name() -> None:
    image = read_image(f"https://user:secret@a.example:5000/x:1@{DIGEST}")
    assert image.names == ("a.example:5000/x:1", "a.example:5000/x")


def test_every_reader_is_named_in_the_error() -> None:
    with pytest.raises(InvalidImageError) as caught:
        read_image_digest({"x": 1})
    for reader in READERS:
        assert reader.shape in str(caught.value)


HOSTILE = "x\n[2026-01-01] INFO - Created acme/m:99\r\x1b[31m\u202e::group::\x00" + "y" * 100_000


@pytest.mark.parametrize(
    "build",
    [
        HOSTILE,
        {HOSTILE: 1},
        {HOSTILE: {"containerimage.digest": HOSTILE}},
        {"containerimage.digest": HOSTILE},
        {"containerimage.descriptor": {"mediaType": HOSTILE, "digest": DIGEST}},
        {"manifests": [{"digest": DIGEST, "artifactType": HOSTILE}]},
        {"manifests": [{"digest": DIGEST, "platform": {"os": HOSTILE, "architecture": HOSTILE}},
                       {"digest": OTHER, "annotations": {"org.opencontainers.image.ref.name": HOSTILE}}]},
        {"imageDigest": DIGEST, "image": HOSTILE, "tags": [HOSTILE] * 100},
        {"status": HOSTILE, "results": {"images": []}},
        {"images": [HOSTILE]},
        {"outputImages": [], "status": HOSTILE},
        {"imageDetails": [{"imageManifestMediaType": HOSTILE}]},
        {"builds": [{"imageName": HOSTILE, "tag": HOSTILE}]},
        {"error": HOSTILE, "errorDetail": {}},
        [HOSTILE],
        f"{{'a': {HOSTILE}",
        json.dumps(HOSTILE),
        f"[image]\n{HOSTILE}",
    ],
)  # fmt: skip
@pytest.mark.parametrize("selector", ["other", HOSTILE + "z"])
def test_hostile_text_cannot_pretend_to_be_a_log_line(build: Any, selector: str) -> None:
    with pytest.raises(InvalidImageError) as caught:
        read_image_digest(build, selector)
    message = str(caught.value)
    assert message.isprintable()
    assert len(message) < 5000


scalars = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from([DIGEST, OTHER])
)
KEYS = sorted(
    {
        "digest",
        "Digest",
        "imageDigest",
        "images",
        "image",
        "imageId",
        "imageDetails",
        "imageIds",
        "builds",
        "tag",
        "Tag",
        "Size",
        "aux",
        "errorDetail",
        "status",
        "results",
        "metadata",
        "build",
        "manifests",
        "manifest",
        "mediaType",
        "platform",
        "annotations",
        "artifactType",
        "outputImages",
        "properties",
        "Id",
        "RepoDigests",
        "Name",
        "imageid",
        "containerimage.digest",
        "containerimage.descriptor",
        "image.name",
        "name",
        "tags",
        "RepoTags",
        "imageName",
        "os",
    }
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=12,
)


@given(
    st.dictionaries(st.sampled_from(KEYS), values, max_size=5) | st.lists(values, max_size=3), st.none() | st.just("x")
)
def test_any_value_yields_one_of_its_digests_or_a_clear_error(build: Any, selector: str | None) -> None:
    try:
        digest = read_image_digest(build, selector)
    except InvalidImageError:
        return
    assert digest in (DIGEST, OTHER)
