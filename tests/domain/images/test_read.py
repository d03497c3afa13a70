"""Read the digest from recorded and documented outputs of builds, and refuse everything else."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_wriftai.client.references import is_digest
from airflow_provider_wriftai.domain.images.errors import InvalidImageError
from airflow_provider_wriftai.domain.images.image import names_of, parse_image
from airflow_provider_wriftai.domain.images.read import read_image, read_image_digest

BUILDS = Path(__file__).parent / "builds"
DIGEST = "sha256:" + "ab" * 32
OTHER = "sha256:" + "ef" * 32
CONFIG = "sha256:" + "cd" * 32


class Bytes(os.PathLike[bytes]):
    """A path-like object whose path is bytes."""

    def __fspath__(self) -> bytes:
        return b"/tmp/x"


def _read_documented(name: str) -> Any:
    text = (BUILDS / "documented" / name).read_text()
    return json.loads(text) if name.endswith(".json") else text


TOOLS = ("buildah", "podman", "skopeo", "umoci", "docker-registry")

# The tag that each output was pushed as. registry.json contains the digest of each tag according to the registry.
PUSHED = {
    "buildah.digestfile": "1.2",
    "podman.digestfile": "podman",
    "skopeo.digestfile": "skopeo",
    "buildah-platforms.digestfile": "platforms",
    "skopeo.layout": "1.2",
    "skopeo.layout/index.json": "1.2",
    "podman.layout": "1.2",
    "skopeo.oci.tar": "1.2",
    "skopeo.oci.tar.gz": "1.2",
    "podman.oci.tar": "1.2",
    "skopeo-inspect.json": "1.2",
}
DOCKER_TOOLS = ("dockerd", "docker", "docker-registry", "curl")
DOCKER_PUSHED = (
    "docker-push.txt",
    "docker-push.jsonl",
    "docker-inspect.json",
    "docker-repodigests.json",
    "docker-repodigests.txt",
)


def _record(script: str, tools: tuple[str, ...], folder: Path) -> Path:
    """Record outputs of the tools on this machine in a folder."""
    if missing := [tool for tool in tools if shutil.which(tool) is None]:
        pytest.skip(f"not on this machine: {', '.join(missing)}; their recorded outputs are tested")
    process = subprocess.run([BUILDS / script, folder], capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stdout + process.stderr
    return folder


@pytest.fixture(scope="module")
def new_outputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with new outputs of the build tools."""
    return _record("record.sh", TOOLS, tmp_path_factory.mktemp("builds"))


@pytest.fixture(scope="module")
def new_docker_outputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with new outputs of Docker Engine."""
    if os.geteuid() != 0:
        pytest.skip("only root can start Docker Engine")
    return _record("record_docker.sh", DOCKER_TOOLS, tmp_path_factory.mktemp("docker"))


@pytest.fixture(params=["recorded", "new"])
def docker(request: pytest.FixtureRequest) -> Path:
    """Return a folder with outputs of Docker Engine: the recorded ones, and new ones."""
    is_recorded = request.param == "recorded"
    folder: Path = BUILDS / "recorded" if is_recorded else request.getfixturevalue("new_docker_outputs")
    return folder


@pytest.fixture(params=["recorded", "new"])
def builds(request: pytest.FixtureRequest) -> Path:
    """Return a folder with outputs of the build tools: the recorded ones, and new ones."""
    folder: Path = BUILDS / "recorded" if request.param == "recorded" else request.getfixturevalue("new_outputs")
    return folder


@pytest.mark.parametrize("name", PUSHED)
def test_the_digest_is_what_the_registry_says(builds: Path, name: str) -> None:
    expected = json.loads((builds / "registry.json").read_text())[PUSHED[name]]
    assert read_image_digest(builds / name) == expected
    assert read_image_digest(str(builds / name)) == expected


@pytest.mark.parametrize("name", DOCKER_PUSHED)
def test_the_digest_of_a_docker_push_is_what_the_registry_says(docker: Path, name: str) -> None:
    expected = json.loads((docker / "docker-registry.json").read_text())["1.2"]
    assert read_image_digest(docker / name) == expected
    assert read_image_digest((docker / name).read_text()) == expected


def test_the_last_line_of_a_docker_push_is_enough(docker: Path) -> None:
    expected = json.loads((docker / "docker-registry.json").read_text())["1.2"]
    last_line, last_message = (
        (docker / name).read_text().splitlines()[-1] for name in ("docker-push.txt", "docker-push.jsonl")
    )
    for output in (last_line, last_message, json.loads(last_message), json.loads(last_message)["aux"]):
        assert read_image_digest(output, "1.2") == expected
    messages = [json.loads(line) for line in (docker / "docker-push.jsonl").read_text().splitlines()]
    image = read_image(messages)
    assert image.digest == expected
    assert any(name.endswith("/acme/detector:1.2") for name in image.names)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("docker-push-failed.jsonl", "reports that the push failed: 'tag does not exist"),
        ("docker-inspect-not-pushed.json", "no digest in 'RepoDigests'"),
        ("docker-save.tar", "is a Docker archive"),
        ("docker.iidfile", "image id file"),
    ],
)
def test_docker_outputs_without_a_registry_digest_are_refused(docker: Path, name: str, message: str) -> None:
    with pytest.raises(InvalidImageError, match=message):
        read_image_digest(docker / name)


def test_the_image_id_that_a_quiet_build_prints_looks_like_a_digest(docker: Path) -> None:
    # The guide warns of this.
    registry = json.loads((docker / "docker-registry.json").read_text())["1.2"]
    assert read_image_digest(docker / "docker-build-q.txt") != registry


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("podman-inspect.json", "from podman image inspect"),
        ("buildah-images.json", "from buildah images"),
        ("skopeo-inspect-local.json", "from skopeo inspect of a local copy"),
        ("podman.docker.tar", "is a Docker archive"),
        ("skopeo-raw-index.json", "more than one image"),
    ],
)
def test_podman_and_skopeo_outputs_without_the_digest_of_one_image_are_refused(
    builds: Path, name: str, message: str
) -> None:
    with pytest.raises(InvalidImageError, match=message):
        read_image_digest(builds / name)


def test_the_digest_of_a_local_copy_is_not_the_registrys(builds: Path) -> None:
    # This is why these outputs are refused. Podman's bare RepoDigests look like docker's; the guide warns of them.
    registry = json.loads((builds / "registry.json").read_text())["1.2"]
    assert json.loads((builds / "podman-inspect.json").read_text())[0]["Digest"] != registry
    assert json.loads((builds / "buildah-images.json").read_text())[0]["digest"] != registry
    assert json.loads((builds / "skopeo-inspect-local.json").read_text())["Digest"] != registry
    assert read_image_digest(builds / "podman-repodigests.json") != registry


def test_a_layout_with_uncompressed_layers_causes_a_warning(builds: Path) -> None:
    registry = json.loads((builds / "registry.json").read_text())["1.2"]
    image = read_image(builds / "podman-uncompressed.layout")
    assert image.digest != registry
    (warning,) = image.warnings
    assert "has uncompressed layers" in warning
    for name in ("podman.layout", "skopeo.layout", "umoci.layout", "skopeo.oci.tar"):
        assert read_image(builds / name).warnings == ()


def test_a_platform_inside_a_nested_index_can_be_chosen(builds: Path) -> None:
    layout = builds / "skopeo-two.layout"
    index = json.loads((builds / "skopeo-raw-index.json").read_text())
    expected = {entry["platform"]["architecture"]: entry["digest"] for entry in index["manifests"]}
    assert read_image_digest(layout, "linux/arm64") == expected["arm64"]
    assert read_image_digest(layout, expected["amd64"]) == expected["amd64"]
    assert read_image_digest(builds / "skopeo-raw-index.json", "linux/arm64/v8") == expected["arm64"]


@pytest.mark.parametrize(
    "name",
    ["cloud-build-success.json", "cloud-build-rest.json", "azure-run-succeeded.json", "azure-run-succeeded-rest.json"],
)
def test_builds_are_accepted_as_sdks_return_them(name: str) -> None:
    text = (BUILDS / "recorded" / name).read_text()
    assert read_image_digest(BUILDS / "recorded" / name) == DIGEST
    # Also as text, in the form that a template renders.
    for build in (json.loads(text), text, repr(json.loads(text))):
        assert read_image_digest(build) == DIGEST


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("cloud-build-failure.json", "did not succeed .status 'FAILURE'"),
        ("cloud-build-working.json", "not finished .status WORKING.*wait=True"),
        ("azure-run-failed.json", "did not succeed .status 'Failed'"),
        ("azure-run-failed-rest.json", "did not succeed"),
        ("azure-run-running.json", "not finished .status Running"),
        ("azure-run-running-rest.json", "not finished"),
    ],
)
def test_builds_that_failed_or_are_not_finished_are_refused(name: str, message: str) -> None:
    with pytest.raises(InvalidImageError, match=message):
        read_image_digest(json.loads((BUILDS / "recorded" / name).read_text()))


def test_a_layout_of_an_image_that_was_never_pushed_is_accepted(builds: Path) -> None:
    (entry,) = json.loads((builds / "umoci.layout" / "index.json").read_text())["manifests"]
    assert read_image_digest(builds / "umoci.layout") == entry["digest"]


def test_a_layout_of_two_images_needs_a_selector(builds: Path) -> None:
    layout = builds / "skopeo-two.layout"
    pushed = json.loads((builds / "registry.json").read_text())
    with pytest.raises(InvalidImageError, match=r"more than one image; choose one with image_selector.*platforms"):
        read_image_digest(layout)
    assert read_image_digest(layout, "1.2") == pushed["1.2"]
    assert read_image_digest(layout, "platforms") == pushed["platforms"]
    with pytest.raises(InvalidImageError, match=r"no image named '1\.3'"):
        read_image_digest(layout, "1.3")


def test_an_image_id_is_not_taken_for_the_digest(builds: Path) -> None:
    with pytest.raises(InvalidImageError, match="image id file"):
        read_image_digest(builds / "buildah.iidfile")


@pytest.mark.parametrize(
    ("build", "selector", "digest"),
    [
        (DIGEST, None, DIGEST),
        (_read_documented("kaniko.digest-file"), None, DIGEST),
        (f"  {DIGEST}\n", None, DIGEST),
        (f"registry.example:5000/acme/detector@{DIGEST}", None, DIGEST),
        (f"registry.example/acme/detector:1.2@{DIGEST}", None, DIGEST),
        (_read_documented("buildx-build.json"), None, DIGEST),
        (_read_documented("buildx-build.json"), "registry.example/acme/detector:1.2", DIGEST),
        (_read_documented("buildx-build.json"), "registry.example/acme/detector", DIGEST),
        (_read_documented("buildx-bake.json"), None, DIGEST),
        (_read_documented("buildx-bake.json"), "detector", DIGEST),
        (_read_documented("buildx-bake-two.json"), "classifier", OTHER),
        (_read_documented("buildx-bake-two.json"), "registry.example/acme/detector", DIGEST),
        (_read_documented("buildx-imagetools.json"), None, DIGEST),
        (_read_documented("jib-image.json"), None, DIGEST),
        (_read_documented("cloud-build.json"), None, DIGEST),
        (_read_documented("cloud-build.json")["results"], "registry.example/acme/detector:latest", DIGEST),
        (_read_documented("kaniko.image-name-with-digest-file"), None, DIGEST),
        (_read_documented("kaniko.image-name-with-digest-file"), "mirror.example:5000/acme/detector", DIGEST),
        (_read_documented("skopeo-sync.digestfile"), "registry.example/acme/classifier", OTHER),
        (_read_documented("skopeo-sync.digestfile"), "registry.example/acme/detector:1.2", DIGEST),
        ({"digest": DIGEST}, None, DIGEST),
        ({"mediaType": "application/vnd.docker.distribution.manifest.v2+json", "digest": DIGEST}, None, DIGEST),
        ({"manifests": [{"digest": DIGEST}]}, None, DIGEST),
        (
            {"manifests": [{"digest": DIGEST, "platform": {"os": "linux", "architecture": "arm", "variant": "v7"}},
                           {"digest": OTHER, "platform": {"os": "linux", "architecture": "amd64"}}]},
            "linux/arm/v7",
            DIGEST,
        ),
    ],
)  # fmt: skip
@pytest.mark.parametrize("form", ["as it is", "as text", "as a file"])
def test_build_outputs_are_accepted_in_every_form(
    tmp_path: Path, build: Any, selector: str | None, digest: str, form: str
) -> None:
    if form != "as it is":
        build = build if isinstance(build, str) else json.dumps(build, indent=2)
    if form == "as a file":
        file = tmp_path / "build-output"
        file.write_text(build, encoding="utf-8-sig")
        build = file
    assert read_image_digest(build, selector) == digest


@pytest.mark.parametrize(
    ("build", "message"),
    [
        ("", "empty"),
        (" \n", "empty"),
        ("sha256:" + "AB" * 32, "lower-case"),
        ("sha256:" + "ab" * 31, "is not a digest: it has 62 hexadecimal digits"),
        ("sha256:" + "AB" * 32, "is not a digest: it is not in lower case"),
        ("registry.example/x@SHA256:" + "ab" * 32, "it is not in lower case"),
        ("sha256:" + "xy" * 32, "not all of its digits are hexadecimal"),
        ("sha512:" + "ab" * 64, "neither a digest"),
        ("registry.example/acme/detector:latest", "nor an image reference with one"),
        ("/no/such/file", "nor an existing file"),
        ("a\x00b", "neither a digest"),
        ("x" * 100_000, "cannot be read"),
        (f"x@{OTHER}\ny@{DIGEST}", "more than one image"),
        (f"{DIGEST} and more", "neither a digest"),
        (f"x@{DIGEST} y", "neither a digest"),
        ("{}", "names no image"),
        ("{", "looks like JSON, but"),
        ("{" * 100_000, "looks like JSON, but"),
        ('{"a":' * 100_000, "looks like JSON, but"),
        ({"containerimage.config.digest": CONFIG}, "names no image"),
        ({"imageId": CONFIG}, "names no image"),
        ({"containerimage.digest": None}, "has None as 'containerimage.digest'"),
        ({"imageDigest": DIGEST + "\n"}, "expected sha256: and 64"),
        ({"containerimage.digest": DIGEST, "containerimage.descriptor": {"digest": OTHER}}, "more than one image"),
        ({"mediaType": "application/vnd.oci.image.config.v1+json", "digest": CONFIG}, "which is not an image"),
        ({"containerimage.digest": CONFIG, "containerimage.config.digest": CONFIG}, "image id and not the digest"),
        ({"app": {"containerimage.digest": CONFIG, "containerimage.config.digest": CONFIG}}, "image id and not"),
        (
            {"digest": functools.reduce(lambda inner, _: [inner], range(5000), cast("Any", []))},
            "a list that cannot be written out as 'digest'; expected",
        ),
        ({"manifests": []}, "names no image"),
        ({"manifests": {}}, "no list of 'manifests'"),
        ({"manifests": [7]}, "no list of 'manifests'"),
        ({"results": {"images": []}}, "names no image"),
        ({"results": {"images": ["x"]}}, "'x' without a digest"),
        ({"results": {"images": [7]}}, "an entry in 'images' that is not an image"),
        (_read_documented("buildx-bake-two.json"), "choose one with image_selector"),
        (_read_documented("skopeo-sync.digestfile"), "choose one with image_selector"),
        ({"x" * 100_000: {"containerimage.digest": "no"}}, "expected sha256: and 64"),
        (
            {
                "results": {
                    "images": [{"name": "x" * 100_000 + f":{n}", "digest": f"sha256:{n:064x}"} for n in range(20)]
                }
            },
            "more than one image",
        ),
        (None, "got None. The template or task rendered to an empty value."),
        (7, "int"),
        (Bytes(), "Bytes"),
        ([], "an empty list"),
        ([7], "a list with an entry of type int"),
        ([DIGEST, OTHER], "more than one image"),
        ("[]", "RepoDigests"),
        ('"' * 3, "looks like JSON, but"),
        (b"x", "bytes"),
    ],
)
def test_values_without_a_digest_are_refused(build: Any, message: str) -> None:
    with pytest.raises(InvalidImageError) as caught:
        read_image_digest(build)
    assert message in str(caught.value)
    assert len(str(caught.value)) < 5000


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\n", "is empty"),
        (f"{DIGEST}\n{CONFIG}\n".encode(), "more than one image"),
        (f"{DIGEST}\nhello\n".encode(), "neither digests, one per line"),
        (b"\xff\xfe\x00", "UTF-16.*PowerShell"),
        (b"\xff\xff", "not in UTF-8"),
        (b"{broken", "looks like JSON"),
        (b"[]", "an empty list"),
        (b'["x"]', "a list with an entry of type str"),
        (b'"x"', "a JSON string and not a digest"),
        (b"x" * (8 * 1024 * 1024 + 1), "larger than 8 MiB"),
    ],
)
def test_files_without_a_digest_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    file = tmp_path / "digest"
    file.write_bytes(content)
    with pytest.raises(InvalidImageError, match=message):
        read_image_digest(file)


def test_the_content_of_a_file_is_not_shown(tmp_path: Path) -> None:
    file = tmp_path / "not-a-build"
    file.write_text("password=s3cret")
    with pytest.raises(InvalidImageError) as caught:
        read_image_digest(file)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    "name",
    ["iidfile", "app.iid", "image-id.txt", "IMAGEID", "image_iid", "image_id", "image.id", "img-id", "imageid_file"],
)
def test_files_with_the_name_of_an_image_id_file_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(DIGEST)
    with pytest.raises(InvalidImageError, match="image id file"):
        read_image_digest(tmp_path / name)


@pytest.mark.parametrize("name", ["digest", "siid", "image-idea.digest", "metadata.json"])
def test_files_with_other_names_are_read(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(DIGEST)
    assert read_image_digest(tmp_path / name) == DIGEST


def _write_layout(folder: Path, *manifests: dict[str, Any]) -> Path:
    (folder / "blobs" / "sha256").mkdir(parents=True, exist_ok=True)
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": list(manifests)}))
    return folder


def _write_manifest(folder: Path, content: bytes = b'{"schemaVersion": 2}') -> dict[str, Any]:
    digest = hashlib.sha256(content).hexdigest()
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True, exist_ok=True)
    (blobs / digest).write_bytes(content)
    return {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": f"sha256:{digest}"}


def test_attestations_are_not_images(tmp_path: Path) -> None:
    manifest = _write_manifest(tmp_path)
    attestation = {"digest": CONFIG, "annotations": {"vnd.docker.reference.type": "attestation-manifest"}}
    assert read_image_digest(str(_write_layout(tmp_path, manifest, attestation))) == manifest["digest"]


def test_the_same_image_under_two_names_is_one(tmp_path: Path) -> None:
    manifest = _write_manifest(tmp_path)
    names = [{**manifest, "annotations": {"org.opencontainers.image.ref.name": name}} for name in ("1.2", "latest")]
    assert read_image_digest(_write_layout(tmp_path, *names)) == manifest["digest"]


def test_layouts_without_a_digest_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidImageError, match=r"no index\.json"):
        read_image_digest(tmp_path)
    with pytest.raises(InvalidImageError, match="names no image"):
        read_image_digest(_write_layout(tmp_path / "none"))
    with pytest.raises(InvalidImageError, match="expected sha256: and 64"):
        read_image_digest(_write_layout(tmp_path / "odd", {"digest": "../../etc/passwd"}))
    with pytest.raises(InvalidImageError, match="lacks the manifest"):
        read_image_digest(_write_layout(tmp_path / "lost", {"digest": DIGEST}))
    (tmp_path / "large").mkdir()
    (tmp_path / "large" / "index.json").write_bytes(b" " * (8 * 1024 * 1024 + 1))
    with pytest.raises(InvalidImageError, match="more than 8 MiB"):
        read_image_digest(tmp_path / "large")


def test_damage_to_other_images_of_a_layout_does_not_matter(tmp_path: Path) -> None:
    manifest = _write_manifest(tmp_path)
    index_type = "application/vnd.oci.image.index.v1+json"
    whole = _write_manifest(tmp_path, json.dumps({"manifests": [{**manifest, "platform": {"os": "linux"}}]}).encode())
    entries = [{"mediaType": index_type, "digest": OTHER}]
    for content in (b"{}", b"[]", b" " * (4 * 1024 * 1024 + 1)):
        entries.append({**_write_manifest(tmp_path, content), "mediaType": index_type})
    layout = _write_layout(tmp_path, *entries, {**whole, "mediaType": index_type})
    assert read_image_digest(layout, "linux") == manifest["digest"]
    assert read_image_digest(layout, whole["digest"]) == whole["digest"]
    with pytest.raises(InvalidImageError, match="lacks the manifest"):
        read_image_digest(layout, OTHER)


def test_many_indexes_in_one_layout_are_not_all_read(tmp_path: Path) -> None:
    manifest = _write_manifest(tmp_path)
    index_type = "application/vnd.oci.image.index.v1+json"
    inner: dict[str, Any] = {**manifest, "platform": {"os": "linux"}}
    for _ in range(40):
        inner = {**_write_manifest(tmp_path, json.dumps({"manifests": [inner]}).encode()), "mediaType": index_type}
    with pytest.raises(InvalidImageError, match="no image named 'linux'"):
        read_image_digest(_write_layout(tmp_path, inner), "linux")


def test_the_check_of_layers_skips_a_platform_whose_manifest_is_too_large(tmp_path: Path) -> None:
    children = [_write_manifest(tmp_path, b" " * (4 * 1024 * 1024 + 1)), _write_manifest(tmp_path)]
    index = _write_manifest(tmp_path, json.dumps({"manifests": children}).encode())
    assert read_image(_write_layout(tmp_path, index)).warnings == ()


def test_a_damaged_layout_is_refused(tmp_path: Path) -> None:
    manifest = _write_manifest(tmp_path)
    blob = _write_layout(tmp_path, manifest) / "blobs" / manifest["digest"].replace(":", "/")
    blob.write_bytes(b"other")
    with pytest.raises(InvalidImageError, match="damaged"):
        read_image_digest(tmp_path)
    blob.write_bytes(b" " * (4 * 1024 * 1024 + 1))
    with pytest.raises(InvalidImageError, match="more than 4 MiB"):
        read_image_digest(tmp_path)


@pytest.mark.parametrize(
    ("name", "names"),
    [
        ("", ()),
        ("detector", ("detector",)),
        ("detector:1.2", ("detector:1.2", "detector")),
        ("docker://registry.example/detector:1.2", ("registry.example/detector:1.2", "registry.example/detector")),
        ("registry:5000/detector", ("registry:5000/detector",)),
        ("registry:5000/detector:1.2", ("registry:5000/detector:1.2", "registry:5000/detector")),
    ],
)
def test_an_image_is_named_with_and_without_its_tag(name: str, names: tuple[str, ...]) -> None:
    assert names_of(name) == names


@given(st.text())
def test_no_other_text_is_a_digest(text: str) -> None:
    assert not is_digest(text)
    assert not is_digest(DIGEST + text) or text == ""
    image = parse_image(f"{text}@{DIGEST}")
    assert image is None or image.digest == DIGEST


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from([DIGEST, OTHER]),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.text() | st.sampled_from(["digest", "images", "platform", "annotations", "name"]), inner)
    ),
    max_leaves=8,
)
KEYS = [
    *_read_documented("buildx-build.json"),
    *_read_documented("jib-image.json"),
    "manifests",
    "results",
    "digest",
    "mediaType",
    "target",
]


@given(st.dictionaries(st.sampled_from(KEYS), json_values), st.none() | st.text() | st.sampled_from(["target"]))
def test_any_mapping_yields_one_of_its_digests_or_a_clear_error(metadata: dict[str, Any], selector: str | None) -> None:
    try:
        digest = read_image_digest(metadata, selector)
    except InvalidImageError:
        return
    assert digest in (DIGEST, OTHER)
