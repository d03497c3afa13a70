"""One publish of an image at a time on one machine."""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_provider_wriftai._airflow.publish_lock import publish_lock

DIGEST = "sha256:" + "ab" * 32

HOLDER = """
import asyncio, sys
from pathlib import Path
from airflow_provider_wriftai._airflow.publish_lock import publish_lock

async def hold():
    async with publish_lock("https://h/v1", "acme/det", sys.argv[2], folder=Path(sys.argv[1])) as held:
        print(held, flush=True)
        sys.stdin.read()

asyncio.run(hold())
"""


async def _try(folder: Path, *, digest: str = DIGEST, longest_wait: float = 0.0) -> bool:
    async with publish_lock("https://h/v1", "acme/det", digest, folder=folder, longest_wait=longest_wait) as held:
        return held


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "locks"


def test_another_process_that_publishes_the_image_is_waited_for(folder: Path) -> None:
    command = [sys.executable, "-c", HOLDER, str(folder), DIGEST]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "True\n"
        assert not asyncio.run(_try(folder))
        assert asyncio.run(_try(folder, digest="sha256:" + "cd" * 32)), "another image is not waited for"

        async def wait_for_it() -> bool:
            waiting = asyncio.create_task(_try(folder, longest_wait=60.0))
            await asyncio.sleep(0)
            holder.kill()
            return await waiting

        # A process that dies holds nothing.
        assert asyncio.run(wait_for_it())


def test_one_that_takes_too_long_is_not_waited_for(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def two() -> bool:
        async with publish_lock("https://h/v1", "acme/det", DIGEST, folder=folder) as first:
            assert first
            return await _try(folder, longest_wait=0.2)

    with caplog.at_level(logging.INFO):
        assert not asyncio.run(two())
    assert "Waiting for it for up to 0 s" in caplog.text
    assert "Publishing without the lock" in caplog.text


def test_without_a_folder_there_is_no_lock(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "locks").write_text("not a folder")
    with caplog.at_level(logging.INFO):
        assert not asyncio.run(_try(tmp_path / "locks"))
    assert "Publishing without a lock" in caplog.text


def test_what_others_may_write_to_is_not_trusted(folder: Path) -> None:
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)
    assert not asyncio.run(_try(folder))
    folder.chmod(0o700)
    assert asyncio.run(_try(folder))
    assert [path.stat().st_mode & 0o777 for path in folder.iterdir()] == [0o600]
    assert all(path.stat().st_uid == os.geteuid() for path in folder.iterdir())
