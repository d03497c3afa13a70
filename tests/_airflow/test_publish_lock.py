"""One publish of an image at a time on one machine."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from airflow_provider_wriftai._airflow.publish_lock import identify_task, publish_lock

DIGEST = "sha256:" + "ab" * 32

HOLDER = """
import asyncio, sys
from pathlib import Path
from airflow_provider_wriftai._airflow.publish_lock import publish_lock

async def hold():
    async with publish_lock("https://h/v1", "acme/det", sys.argv[2], holder="a", folder=Path(sys.argv[1])) as held:
        print(held, flush=True)
        sys.stdin.read()

asyncio.run(hold())
"""


async def _try(folder: Path, *, digest: str = DIGEST, holder: str = "b", longest_wait: float = 0.0) -> bool:
    async with publish_lock(
        "https://h/v1", "acme/det", digest, holder=holder, folder=folder, longest_wait=longest_wait
    ) as held:
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


@pytest.mark.parametrize(("holder", "waits"), [("a", False), ("b", True), ("", True)])
def test_an_earlier_try_that_is_suspended_is_not_waited_for(
    folder: Path, caplog: pytest.LogCaptureFixture, holder: str, waits: bool
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder), DIGEST], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "True\n"
        first.send_signal(signal.SIGSTOP)
        assert not asyncio.run(_try(folder, holder=holder, longest_wait=0.3 if waits else 300.0))
        first.kill()
    assert ("an earlier try of this task" in caplog.text) is not waits
    assert ("has not finished" in caplog.text) is waits


def test_a_holder_that_is_gone_is_nobodys_earlier_try(folder: Path) -> None:
    assert asyncio.run(_try(folder, holder="a"))

    async def others() -> bool:
        async with publish_lock("https://h/v1", "acme/det", DIGEST, folder=folder):
            return await _try(folder, holder="a", longest_wait=0.3)

    assert not asyncio.run(others())
    assert asyncio.run(_try(folder, holder="a"))


def test_all_tries_of_a_task_are_one_holder() -> None:
    def identify(**changes: object) -> str:
        ti = {"dag_id": "d", "run_id": "r", "task_id": "t", "map_index": -1, "try_number": 1, **changes}
        return identify_task({"ti": SimpleNamespace(**ti)})

    assert identify(try_number=2) == identify()
    assert len({identify(), *(identify(**{name: "x"}) for name in ("dag_id", "run_id", "task_id", "map_index"))}) == 5
    assert identify_task({}) == ""


def test_without_a_folder_there_is_no_lock(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "locks").write_text("not a folder")
    with caplog.at_level(logging.INFO):
        assert not asyncio.run(_try(tmp_path / "locks"))
    assert "Publishing without the lock" in caplog.text


def test_what_others_may_write_to_is_not_trusted(folder: Path) -> None:
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)
    assert not asyncio.run(_try(folder))
    folder.chmod(0o700)
    assert asyncio.run(_try(folder))
    assert [path.stat().st_mode & 0o777 for path in folder.iterdir()] == [0o600]
    assert all(path.stat().st_uid == os.geteuid() for path in folder.iterdir())
