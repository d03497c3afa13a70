"""OCI archives are read at any size, and the claims of their headers are not trusted."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import json
import lzma
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from airflow_provider_wriftai.domain.images import archive
from airflow_provider_wriftai.domain.images.errors import InvalidImageError
from airflow_provider_wriftai.domain.images.read import read_image, read_image_digest

MANIFEST = json.dumps({"schemaVersion": 2, "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip"}]})
DIGEST = "sha256:" + hashlib.sha256(MANIFEST.encode()).hexdigest()
INDEX = json.dumps({"manifests": [{"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": DIGEST}]})
BLOB = f"blobs/{DIGEST.replace(':', '/')}"


def _tar(files: Mapping[str, str | bytes], **more: int) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", **more) as tar:  # type: ignore[call-overload]
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            data = content.encode() if isinstance(content, str) else content
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return stream.getvalue()


GOOD: dict[str, str | bytes] = {"oci-layout": "{}", BLOB: MANIFEST, "index.json": INDEX}


@pytest.mark.parametrize("prefix", ["", "./"])
@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("is_compressed", [False, True])
def test_an_oci_archive_is_read_in_every_format(tmp_path: Path, prefix: str, form: int, is_compressed: bool) -> None:
    content = _tar({prefix + name: each for name, each in GOOD.items()}, format=form)
    path = tmp_path / "image.tar"
    path.write_bytes(gzip.compress(content) if is_compressed else content)
    assert read_image_digest(path) == DIGEST
    assert read_image_digest(str(path), DIGEST) == DIGEST


def test_an_archive_may_be_of_any_size(tmp_path: Path) -> None:
    # A sparse layer of 20 GiB: the limit of 8 MiB applies to index.json only.
    path = tmp_path / "image.tar"
    with path.open("wb") as file:
        member = tarfile.TarInfo("blobs/sha256/" + "00" * 32)
        member.size = 20 * 2**30
        file.write(member.tobuf())
        file.seek(member.size, io.SEEK_CUR)
        file.write(_tar(GOOD))
    assert read_image_digest(path) == DIGEST


def test_uncompressed_layers_cause_a_warning(tmp_path: Path) -> None:
    manifest = MANIFEST.replace("+gzip", "")
    digest = hashlib.sha256(manifest.encode()).hexdigest()
    path = tmp_path / "image.tar"
    path.write_bytes(_tar({f"blobs/sha256/{digest}": manifest, "index.json": INDEX.replace(DIGEST[7:], digest)}))
    (warning,) = read_image(path).warnings
    assert "has uncompressed layers" in warning


def test_uncompressed_layers_of_a_platform_cause_a_warning(tmp_path: Path) -> None:
    manifest = MANIFEST.replace("+gzip", "")
    child = "sha256:" + hashlib.sha256(manifest.encode()).hexdigest()
    index = json.dumps({"manifests": [{"digest": child}, {"digest": DIGEST}, {"digest": "x"}, 7]})
    digest = hashlib.sha256(index.encode()).hexdigest()
    path = tmp_path / "image.tar"
    path.write_bytes(
        _tar(
            {
                f"blobs/sha256/{child[7:]}": manifest,
                f"blobs/sha256/{digest}": index,
                "index.json": INDEX.replace(DIGEST[7:], digest),
            }
        )
    )
    assert read_image(path).warnings


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (bz2.compress(b"x"), "is compressed with bzip2. If it is an OCI archive, decompress it"),
        (lzma.compress(b"x"), "is compressed with xz. If it is an OCI archive, decompress it"),
        (b"\x28\xb5\x2f\xfd" + b"x" * 600, "is compressed with zstd"),
        (_tar({"manifest.json": "[]", "repositories": "{}"}), "is a Docker archive"),
        (_tar({"model.bin": "x"}), "not an OCI archive: it has no index.json"),
        (_tar({"index.json": "{"}), "not a JSON object"),
        (_tar({"index.json": INDEX}), "lacks the manifest"),
        (_tar({**GOOD, BLOB: "{}"}), "its manifest sha256:"),
        (_tar({"index.json": b" " * (8 * 2**20 + 1)}), "more than 8 MiB"),
        (_tar({**GOOD, BLOB: b" " * (4 * 2**20 + 1)}), "more than 4 MiB"),
        (_tar(GOOD)[:1800], "is damaged"),
        (gzip.compress(_tar(GOOD))[:-100], "is damaged"),
        (gzip.compress(b"x" * 600), "not a tar archive"),
        (b"\x1f\x8b" + b"x" * 600, "not a tar archive"),
    ],
)
def test_archives_without_an_image_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "image.tar"
    path.write_bytes(content)
    with pytest.raises(InvalidImageError) as caught:
        read_image_digest(path)
    assert message in str(caught.value)


def test_a_zip_file_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "image.zip", "w") as file:
        file.writestr("index.json", INDEX)
    with pytest.raises(InvalidImageError, match="is compressed with zip"):
        read_image_digest(tmp_path / "image.zip")


def _header(name: str, size: int, kind: bytes) -> bytes:
    member = tarfile.TarInfo(name)
    member.size, member.type = size, kind
    return member.tobuf(tarfile.GNU_FORMAT)


@pytest.mark.parametrize("is_compressed", [False, True])
@pytest.mark.parametrize(
    "head",
    [
        _header("x", 2**40, tarfile.XHDTYPE),
        _header("x", 2**40, tarfile.GNUTYPE_LONGNAME),
        _header("x", 2**80, tarfile.REGTYPE),
        _header("x", -(2**40), tarfile.REGTYPE),
        _header("x", -(2**40), tarfile.XHDTYPE),
        _header("x", -1024, tarfile.REGTYPE),
        _header("x", 0, tarfile.XHDTYPE) * 5000,
    ],
    ids=["pax", "long name", "size", "negative", "negative pax", "a loop", "many headers"],
)
def test_headers_that_claim_too_much_are_refused(tmp_path: Path, head: bytes, is_compressed: bool) -> None:
    path = tmp_path / "image.tar"
    content = head + b"\0" * 1024
    path.write_bytes(gzip.compress(content) if is_compressed else content)
    with pytest.raises(InvalidImageError):
        read_image_digest(path)


def test_an_archive_that_decompresses_to_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "_LARGEST_DECOMPRESSED", 2**20)
    path = tmp_path / "bomb.tar.gz"
    path.write_bytes(gzip.compress(_tar({"blobs/sha256/" + "00" * 32: b"\0" * 2**21, **GOOD})))
    with pytest.raises(InvalidImageError, match=r"more than 1 MiB when decompressed\. Decompress it first"):
        read_image_digest(path)


def test_an_archive_of_too_many_files_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "_MOST_MEMBERS", 10)
    (tmp_path / "image.tar").write_bytes(_tar({str(n): "" for n in range(11)}))
    with pytest.raises(InvalidImageError, match="more than 10 files"):
        read_image_digest(tmp_path / "image.tar")
